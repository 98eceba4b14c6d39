"""An agent without any web server: ``python -m examples.asyncio_agent``."""
