CREATE TABLE numbers(n INTEGER PRIMARY KEY, square INTEGER, name TEXT);
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 60000)
INSERT INTO numbers SELECT n, n * n % 10007, printf('number %06d', n * 7919 % 60013) FROM c;
CREATE INDEX by_square ON numbers(square);
SELECT count(*), sum(square), min(name), max(name) FROM numbers;
SELECT square, count(*) AS c, group_concat(n, ' ') FROM numbers GROUP BY square ORDER BY c DESC, square LIMIT 10;
CREATE VIRTUAL TABLE words USING fts5(body);
INSERT INTO words SELECT name || ' ' || CASE n % 3 WHEN 0 THEN 'three' WHEN 1 THEN 'one' ELSE 'two' END FROM numbers WHERE n <= 8000;
SELECT count(*) FROM words WHERE words MATCH 'three';
UPDATE numbers SET square = square + 1 WHERE n % 7 = 0;
DELETE FROM numbers WHERE n % 11 = 0;
SELECT a.n, b.n FROM numbers a JOIN numbers b ON a.square = b.square AND a.n < b.n ORDER BY a.name, b.name LIMIT 20;
SELECT json_group_array(n) FROM (SELECT n FROM numbers ORDER BY name LIMIT 50);
PRAGMA integrity_check;
