-- Limits of a calendar day, week or month, in a time zone: NULL for UTC. A rate has a calendar or window_s.
ALTER TABLE limits ADD COLUMN calendar TEXT COLLATE "C";
ALTER TABLE limits ADD COLUMN time_zone TEXT COLLATE "C";
