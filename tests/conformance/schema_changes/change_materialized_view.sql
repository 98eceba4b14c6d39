-- A materialized view is made anew, with its index.
-- expect: equal
-- before
CREATE TABLE sales (day date, amount int);
CREATE MATERIALIZED VIEW totals AS SELECT day, sum(amount) AS total FROM sales GROUP BY day;
CREATE UNIQUE INDEX totals_by_day ON totals (day);
-- data
INSERT INTO sales VALUES ('2024-01-01', 2), ('2024-01-01', 3);
-- keeps
SELECT * FROM sales ORDER BY amount
-- after
CREATE TABLE sales (day date, amount int);
CREATE MATERIALIZED VIEW totals AS SELECT day, sum(amount) AS total, count(*) AS sales FROM sales GROUP BY day;
CREATE UNIQUE INDEX totals_by_day ON totals (day);
