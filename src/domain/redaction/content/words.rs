//! Which names say that their value is a credential.

/// A name with one of these in it, without signs and in lower case, is that of a credential.
const HARD: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "apikey",
    "authorization",
    "credential",
    "cookie",
    "privatekey",
    "accesskey",
    "signingkey",
    "masterkey",
    "sessionid",
    "assertion",
    "samlresponse",
    "passkey",
    "authkey",
    "hostkey",
    "encryptionkey",
    "storagekey",
    "accountkey",
    "sharedkey",
    "subscriptionkey",
    "functionskey",
    "connectionstring",
    "connstr",
    "databaseurl",
    "recoverycode",
    "backupcode",
    "verificationcode",
    "securitycode",
    "onetimecode",
    "seedphrase",
    "mnemonic",
    "jsessionid",
    "phpsessid",
    "creds",
    "signature",
    "securityanswer",
    "cardnumber",
    "codeverifier",
    "devicecode",
    "magiclink",
    "unlockcode",
    "csrf",
    "passwort",
    "contraseña",
    "senha",
    "пароль",
    "密码",
];

/// A name with one of these as a word of it (`db_pass`, `userPin`, `x-auth`) is that of a credential.
const HARD_WORDS: &[&str] = &[
    "pass", "pw", "psw", "pswd", "auth", "cred", "pin", "otp", "totp", "mfa", "dsn", "cvv", "cvc", "jwt", "pat", "sas",
    "sig", "ssn", "psk", "iban",
];

/// Also one with this, unless it is counted: `max_tokens` is no secret.
const SOFT: &str = "token";

/// How surely a name is that of a credential.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Hard,
    Soft,
}

/// Whether a name is that of a credential.
pub(super) fn kind_of(name: &str) -> Option<Kind> {
    let letters: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if HARD.iter().any(|hard| letters.contains(hard)) {
        return Some(Kind::Hard);
    }
    if words_of(name).any(|word| HARD_WORDS.iter().any(|hard| word.eq_ignore_ascii_case(hard))) {
        return Some(Kind::Hard);
    }
    letters.contains(SOFT).then_some(Kind::Soft)
}

/// The words of a name, between signs and where a capital follows a small letter.
fn words_of(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_alphanumeric()).flat_map(|piece| {
        let humps = piece.char_indices().zip(piece.chars().skip(1));
        let ends = humps.filter(|((_, before), after)| before.is_lowercase() && after.is_uppercase());
        let ends = ends.map(|((at, before), _)| at.saturating_add(before.len_utf8())).chain([piece.len()]);
        ends.scan(0, move |begin, end| piece.get(std::mem::replace(begin, end)..end))
    })
}

/// Whether a credential follows (RFC 9110 §11.1).
pub(super) fn is_scheme(word: &str) -> bool {
    ["bearer", "basic", "ssws"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme))
}
