-- What comes next to a calendar window without calendars: a window as long, of which all may be taken at once. What was counted
-- of it is in a form that is not known without calendars, and is forgotten.
UPDATE limits SET window_s = CASE calendar WHEN 'day' THEN 86400 WHEN 'week' THEN 604800 ELSE 2592000 END
WHERE calendar IS NOT NULL;
DELETE FROM quota_accounts WHERE state LIKE '%"kind":{"calendar"%';
ALTER TABLE limits DROP COLUMN time_zone;
ALTER TABLE limits DROP COLUMN calendar;
