DROP TABLE unshown_passwords;
