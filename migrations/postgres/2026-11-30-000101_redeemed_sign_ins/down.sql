DROP TABLE redeemed_sign_ins;
