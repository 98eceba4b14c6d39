"""One small server, three times: the same plugin under FastAPI, Starlette and Litestar."""
