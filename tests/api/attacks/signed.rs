//! What is wrong even under a good signature: headers and claims that the gateway never writes.

use super::{Case, Loot};

pub fn cases(loot: &Loot) -> Vec<Case> {
    [headers(loot), names_of_keys(loot), times(loot), identities(loot), roles(loot), texts(loot)].concat()
}

fn headers(loot: &Loot) -> Vec<Case> {
    let (alg, kid) = (loot.forge.algorithm, &loot.forge.kid);
    let with = |member: &str| format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{kid}",{member}}}"#);
    let typed = |typ: &str| format!(r#"{{"typ":{typ},"alg":"{alg}","kid":"{kid}"}}"#);
    let mut cases = vec![];
    let mut add = |name: &str, header: String, reason| {
        cases.push(Case::new(format!("header: {name}"), loot.forge.sign(&header, &loot.claims), reason));
    };
    for member in [
        r#""crit":[]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["exp"],"exp":1"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""cty":"JWT""#,
        r#""cty":"at+jwt""#,
        r#""jwk":{"kty":"oct","k":"AA"}"#,
        r#""jku":"https://attacker.example/""#,
        r#""x5u":"https://attacker.example/""#,
        r#""x5c":["AA"]"#,
        r#""x5t":"AA""#,
        r#""p2c":1000000000"#,
        r#""enc":"A256GCM""#,
        r#""alg":"none""#,
        r#""kid":"other""#,
        r#""typ":"at+jwt""#,
        r#""Alg":"none""#,
        r#""x":1"#,
    ] {
        add(member, with(member), "unsupported-header");
    }
    for typ in
        [r#""JWT""#, r#""jwt""#, r#""AT+JWT""#, r#""application/at+jwt""#, r#""id+jwt""#, r#""""#, r#""at+jwt ""#]
    {
        add(typ, typed(typ), "wrong-type");
    }
    for typ in ["null", "1", r#"["at+jwt"]"#] {
        add(typ, typed(typ), "unsupported-header");
    }
    add("no typ", format!(r#"{{"alg":"{alg}","kid":"{kid}"}}"#), "unsupported-header");
    add("no alg", format!(r#"{{"typ":"at+jwt","kid":"{kid}"}}"#), "unsupported-header");
    add("alg as a list", format!(r#"{{"typ":"at+jwt","alg":["{alg}"],"kid":"{kid}"}}"#), "unsupported-header");
    add("another order", format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#), "unsupported-header");
    add("white space", format!(r#"{{ "typ":"at+jwt","alg":"{alg}","kid":"{kid}"}}"#), "unsupported-header");
    add("an escape", format!(r#"{{"t\u0079p":"at+jwt","alg":"{alg}","kid":"{kid}"}}"#), "unsupported-header");
    for (name, text) in
        [("a list", "[]"), ("a string", r#""x""#), ("null", "null"), ("no JSON", "{"), ("a byte", "\u{0}")]
    {
        add(name, text.into(), "malformed-token");
    }
    add("an empty object", "{}".into(), "unsupported-header");
    add("a nested thousand", "[".repeat(1_000), "malformed-token");
    cases
}

fn names_of_keys(loot: &Loot) -> Vec<Case> {
    let alg = loot.forge.algorithm;
    let long = format!("\"{}\"", "k".repeat(4_000));
    let mut cases = vec![];
    for kid in [
        r#""../../../../dev/null""#,
        r#""/dev/null""#,
        r#""file:///etc/passwd""#,
        r#""https://attacker.example/key""#,
        r#""' OR '1'='1""#,
        r#""x' UNION SELECT 'AAAA' --""#,
        r#""| id""#,
        r#""\u0000""#,
        r#""""#,
        r#""*""#,
        &long,
    ] {
        let header = format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":{kid}}}"#);
        let name = format!("kid {kid:.40}");
        cases.push(Case::new(name, loot.forge.sign(&header, &loot.claims), "unknown-key"));
    }
    let upper = loot.forge.kid.to_uppercase();
    for kid in ["0", "null", "true", "[]", "{}", "-1", "1e400"] {
        let header = format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":{kid}}}"#);
        // A number that is none is no JSON at all.
        let reason = if kid == "1e400" { "malformed-token" } else { "unsupported-header" };
        cases.push(Case::new(format!("kid {kid}"), loot.forge.sign(&header, &loot.claims), reason));
    }
    let header = format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{upper}"}}"#);
    cases.push(Case::new("kid in upper case", loot.forge.sign(&header, &loot.claims), "unknown-key"));
    let huge = format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{}"}}"#, "k".repeat(10_000));
    cases.push(Case::new("kid of 10 kB", loot.forge.sign(&huge, &loot.claims), "unknown-key"));
    cases
}

/// The claims with another value, written in its place.
fn with(claims: &str, name: &str, value: &str) -> String {
    let (before, rest) = claims.split_once(&format!("\"{name}\":")).unwrap();
    let end = if rest.starts_with('"') {
        rest.find("\",").or(rest.find("\"}")).unwrap() + 1
    } else {
        rest.find(',').unwrap()
    };
    format!("{before}\"{name}\":{value}{}", rest.split_at(end).1)
}

/// The claims with another number.
pub fn with_number(claims: &str, name: &str, value: i64) -> String {
    with(claims, name, &value.to_string())
}

fn without(claims: &str, name: &str) -> String {
    let gone = with(claims, name, "GONE");
    gone.replace(&format!("\"{name}\":GONE,"), "").replace(&format!(",\"{name}\":GONE"), "")
}

fn signed(loot: &Loot, name: impl Into<String>, claims: &str, reason: &'static str) -> Case {
    Case::new(name, loot.forge.sign(&loot.forge.header(), claims), reason)
}

fn times(loot: &Loot) -> Vec<Case> {
    let mut cases = vec![];
    for name in ["exp", "nbf", "iat"] {
        for value in [
            r#""4102444800""#,
            "null",
            "-1",
            "-9223372036854775808",
            "4102444800.5",
            "4102444800.0",
            "1e30",
            "1e10",
            "18446744073709551615",
            "18446744073709551616",
            "true",
            "[4102444800]",
            "{}",
            r#""""#,
            "0x10",
        ] {
            cases.push(signed(loot, format!("{name} {value}"), &with(&loot.claims, name, value), "wrong-claims"));
        }
        cases.push(signed(loot, format!("no {name}"), &without(&loot.claims, name), "wrong-claims"));
    }
    let far = i64::MAX;
    cases.push(signed(loot, "exp at the end of time", &with_number(&loot.claims, "exp", far), "wrong-claims"));
    cases.push(signed(loot, "exp before iat", &with_number(&loot.claims, "exp", 1), "wrong-claims"));
    let long_ago = ["iat", "nbf"].iter().fold(loot.claims.clone(), |claims, name| with_number(&claims, name, 1_000));
    cases.push(signed(loot, "expired long ago", &with_number(&long_ago, "exp", 1_900), "expired-token"));
    let ahead =
        ["iat", "nbf"].iter().fold(loot.claims.clone(), |claims, name| with_number(&claims, name, 4_102_444_800));
    cases.push(signed(loot, "not yet valid", &with_number(&ahead, "exp", 4_102_445_000), "not-yet-valid"));
    cases.push(signed(loot, "nbf ahead", &with_number(&loot.claims, "nbf", 4_102_444_800), "not-yet-valid"));
    cases
}

fn identities(loot: &Loot) -> Vec<Case> {
    let mut cases = vec![];
    for name in ["iss", "aud", "sub", "jti", "sid"] {
        cases.push(signed(loot, format!("no {name}"), &without(&loot.claims, name), "wrong-claims"));
        let values =
            ["null", "1", "true", r#"["tollgate"]"#, "{}", r#""""#, r#""other""#, r#""Tollgate""#, r#""tollgate ""#];
        for value in values {
            cases.push(signed(loot, format!("{name} {value}"), &with(&loot.claims, name, value), "wrong-claims"));
        }
    }
    for aud in [r#"["tollgate","other"]"#, r#""tollgate,other""#, r#""https://tollgate""#] {
        cases.push(signed(loot, format!("aud {aud}"), &with(&loot.claims, "aud", aud), "wrong-claims"));
    }
    let bare = loot.claims.replace('-', "");
    cases.push(signed(loot, "ids without hyphens", &bare, "wrong-claims"));
    cases.push(signed(loot, "ids in upper case", &loot.claims.to_uppercase(), "wrong-claims"));
    cases
}

fn roles(loot: &Loot) -> Vec<Case> {
    let role = |value: &str| with(&loot.claims, "role", value);
    let mut cases = vec![signed(loot, "no role", &without(&loot.claims, "role"), "wrong-claims")];
    for value in [
        r#"["admin"]"#,
        r#"["user","admin"]"#,
        r#""Admin""#,
        r#""ADMIN""#,
        r#"" admin""#,
        r#""admin ""#,
        r#""root""#,
        r#""admin\u0000""#,
        r#""\u0061dmin""#,
        r#""аdmin""#,
        "null",
        "0",
        r#"{"admin":true}"#,
        r#""user","role":"admin""#,
        r#""admin","role":"admin""#,
        r#""admin","Role":"admin""#,
        r#""admin","roles":["admin"]"#,
        r#""admin","r\u006fle":"admin""#,
    ] {
        cases.push(signed(loot, format!("role {value}"), &role(value), "wrong-claims"));
    }
    cases.push(signed(
        loot,
        "role by an escaped name",
        &loot.claims.replace("\"role\"", "\"r\\u006fle\""),
        "wrong-claims",
    ));
    cases
}

fn texts(loot: &Loot) -> Vec<Case> {
    let claims = &loot.claims;
    let more = |member: &str| format!("{},{member}}}", claims.strip_suffix('}').unwrap());
    [
        ("white space", format!("{claims} ")),
        ("white space before", format!(" {claims}")),
        ("a line end", format!("{claims}\n")),
        ("something behind", format!("{claims}{{}}")),
        ("a byte order mark", format!("\u{feff}{claims}")),
        ("a list", format!("[{claims}]")),
        ("a string", serde_json::to_string(claims).unwrap()),
        ("another token", loot.token.clone()),
        ("null", "null".into()),
        ("nothing but braces", "{}".into()),
        ("no JSON", "{".into()),
        ("NUL", "\u{0}".into()),
        ("a claim more", more(r#""admin":true"#)),
        ("scope", more(r#""scope":"admin""#)),
        ("cnf", more(r#""cnf":{"jkt":"x"}"#)),
        ("__proto__", more(r#""__proto__":{"role":"admin"}"#)),
        ("nested deeply", more(&format!(r#""x":{}{}"#, "[".repeat(500), "]".repeat(500)))),
    ]
    .map(|(name, text)| signed(loot, format!("claims: {name}"), &text, "wrong-claims"))
    .into()
}
