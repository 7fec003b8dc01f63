//! A request target is refused, or it is forwarded as it came, below the path of the route that decided, and every reader
//! that is more lenient than the gateway decides alike.

use actix_web::http::Uri;
use serde_json::json;
use tollgate::{
    config::routing::RouteEntry,
    domain::{
        path,
        route::{Found, RouteTable, reserved},
    },
    upstream::Base,
};

/// Where the upstream's own path begins.
const BASE: &str = "/base";

/// Reads a target as a lenient upstream may; written without the gateway's rules.
type Reader = fn(&str) -> String;

const READERS: [(&str, Reader); 12] = [
    ("as it is", str::to_owned),
    ("decoded", decoded),
    ("decoded, characters in any number of bytes", decoded_leniently),
    ("without streams of files", |path| without_streams(&decoded(path))),
    ("decoded twice", |path| decoded(&decoded(path))),
    ("dots removed", |path| without_dots(path)),
    ("decoded, dots removed", |path| without_dots(&decoded(path))),
    ("backslashes as slashes, slashes merged", |path| without_dots(&decoded(path).replace('\\', "/"))),
    ("parameters cut", |path| without_parameters(&decoded(path))),
    ("parameters cut, dots removed, slashes merged", |path| without_dots(&without_parameters(&decoded(path)))),
    ("blanks and parameters cut, dots removed, slashes merged", |path| {
        without_dots(&without_blanks(&without_parameters(&decoded(path))))
    }),
    ("without case, parameters and ends", |path| trimmed(&without_parameters(&decoded(path)).to_lowercase())),
];

/// A prefix for many, and a stricter prefix and an exact path below it.
fn table() -> RouteTable {
    let route = |name: &str, path: &str, matching: &str, strips: bool| {
        let entry = json!({ "name": name, "path": path, "match": matching, "methods": ["GET"], "roles": ["user"],
                            "upstream": "up", "strip_prefix": strips });
        serde_json::from_value::<RouteEntry>(entry).expect("a route").to_route()
    };
    RouteTable::new(vec![
        route("lax", "/api", "prefix", false),
        route("strict", "/api/s/admin", "prefix", true),
        route("exact", "/api/keys", "exact", false),
        route("stripped", "/strip", "prefix", true),
    ])
}

thread_local! {
    static TABLE: (RouteTable, Base) = (table(), Base::parse("http://up.test/base").expect("a URL"));
}

/// `data` is a request target, as it stands in the request line.
pub fn run(data: &[u8]) {
    // The HTTP parser takes none of these into a target.
    if data.is_empty() || data.iter().any(|byte| matches!(byte, 0..=b' ' | 0x7f)) {
        return;
    }
    let Ok(uri) = Uri::try_from(data) else { return };
    if data.contains(&b'#') || path::check(uri.path()).is_err() {
        return;
    }
    let path = uri.path();
    let (own, query) = split(data);
    assert_eq!(path.as_bytes(), if own.is_empty() { b"/" } else { own }, "the parser has another path");
    assert_eq!(uri.query().map(str::as_bytes), query, "the parser has another query");
    TABLE.with(|(table, base)| decide(table, base, path, uri.query()));
}

fn decide(table: &RouteTable, base: &Base, path: &str, query: Option<&str>) {
    let Found::Route(route) = table.find("GET", path) else { return };
    assert!(is_below(path, &route.path), "{path} is no path of {}", route.name);
    assert!(reserved(path).is_none(), "{path} is the gateway's own");
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    let forwarded = format!("{}{query}", route.forwarded_path(path));
    let Ok(uri) = base.uri_for(&forwarded) else { return };
    let sent = uri.path_and_query().map(ToString::to_string);
    assert_eq!(sent.as_deref(), Some(&*format!("{BASE}{forwarded}")), "{path} is forwarded as another path");
    for (name, read) in READERS {
        let seen = read(path);
        for strict in ["/api/s/admin", "/api/keys"] {
            let is_meant = is_below(&trimmed(&seen), strict) && (strict != "/api/keys" || trimmed(&seen) == strict);
            assert!(
                !is_meant || route.path == strict,
                "{path} is decided by {} and read as {seen} ({name})",
                route.name
            );
        }
        assert!(
            is_below(&trimmed(&seen.to_lowercase()), route.path.split('/').nth(1).map_or("/", |_| first(&route.path))),
            "{path} leaves the route when it is {name}: {seen}"
        );
    }
}

/// The first segment of a path, with its slash.
fn first(path: &str) -> &str {
    let end = path.bytes().skip(1).position(|byte| byte == b'/').map_or(path.len(), |at| at + 1);
    path.get(..end).unwrap_or(path)
}

/// The path and the query of a target in origin or absolute form, cut out by hand.
fn split(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    let start = match target.windows(3).position(|three| three == b"://") {
        Some(at) if target.first() != Some(&b'/') => {
            let behind = target.get(at + 3..).unwrap_or_default();
            let length = behind.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(behind.len());
            at + 3 + length
        }
        _ => 0,
    };
    let own = target.get(start..).unwrap_or_default();
    match own.iter().position(|byte| *byte == b'?') {
        Some(at) => (own.get(..at).unwrap_or_default(), own.get(at + 1..)),
        None => (own, None),
    }
}

fn is_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn decoded(path: &str) -> String {
    String::from_utf8_lossy(&bytes_of(path)).into_owned()
}

fn bytes_of(path: &str) -> Vec<u8> {
    let mut bytes = path.bytes().peekable();
    let mut decoded = vec![];
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (byte, digit(ahead.next()), digit(ahead.next())) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(0));
                bytes = ahead;
            }
            _ => decoded.push(byte),
        }
    }
    decoded
}

/// Decoded as old decoders of UTF-8 do, which do not ask whether a character could be shorter.
fn decoded_leniently(path: &str) -> String {
    let plain = bytes_of(path);
    let (mut rest, mut text) = (&*plain, String::new());
    while let [first, behind @ ..] = rest {
        let (more, bits) = match first {
            0xc0..0xe0 => (1, first & 0x1f),
            0xe0..0xf0 => (2, first & 0x0f),
            0xf0..0xf8 => (3, first & 0x07),
            other => (0, *other),
        };
        let following = behind.get(..more).filter(|bytes| bytes.iter().all(|byte| byte & 0xc0 == 0x80));
        let code =
            following.unwrap_or_default().iter().fold(u32::from(bits), |code, byte| code << 6 | u32::from(byte & 0x3f));
        text.push(char::from_u32(code).filter(|_| following.is_some()).unwrap_or('?'));
        rest = behind.get(following.map_or(0, <[u8]>::len)..).unwrap_or_default();
    }
    text
}

/// RFC 3986 §5.2.4, with slashes merged.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = vec![];
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

fn without_parameters(path: &str) -> String {
    let cut: Vec<&str> = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect();
    cut.join("/")
}

/// The name of a file in place of that of its main stream, which ends so (NTFS).
fn without_streams(path: &str) -> String {
    let name = |segment: &str| {
        let end = segment.len().checked_sub("::$DATA".len()).filter(|at| segment.is_char_boundary(*at));
        match end.map(|end| segment.split_at(end)) {
            Some((name, stream)) if stream.eq_ignore_ascii_case("::$DATA") => name.to_owned(),
            _ => segment.to_owned(),
        }
    };
    path.split('/').map(name).collect::<Vec<_>>().join("/")
}

fn without_blanks(path: &str) -> String {
    let cut: Vec<&str> = path.split('/').map(|segment| segment.trim_matches(' ')).collect();
    cut.join("/")
}

fn trimmed(path: &str) -> String {
    let segments: Vec<&str> = path.split('/').map(|segment| segment.trim_end_matches(['.', ' '])).collect();
    segments.join("/").trim_end_matches('/').to_owned()
}
