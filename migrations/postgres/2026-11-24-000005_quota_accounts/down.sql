DROP TABLE quota_vaults;
DROP TABLE quota_accounts;
