DROP TABLE traffic_sums;
DROP TABLE traffic_groups;
DROP TABLE traffic_marks;
