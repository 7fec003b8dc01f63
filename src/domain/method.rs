//! What the IANA HTTP Method Registry says of methods (RFC 9110 §16.1). Of one that it does not have nothing is assumed.

/// Those that are safe: nothing is changed by them (RFC 9110 §9.2.1).
const SAFE: [&str; 9] = ["GET", "HEAD", "OPTIONS", "PRI", "PROPFIND", "QUERY", "REPORT", "SEARCH", "TRACE"];

/// Those that are idempotent besides: twice is as good as once (RFC 9110 §9.2.2).
const IDEMPOTENT: [&str; 27] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "DELETE",
    "LABEL",
    "LINK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PROPPATCH",
    "PUT",
    "REBIND",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// The others.
const NEITHER: [&str; 4] = ["CONNECT", "LOCK", "PATCH", "POST"];

/// Those that servers take although the registry has them not.
const UNREGISTERED: [&str; 3] = ["M-SEARCH", "NOTIFY", "PURGE"];

/// The methods that are known by name: those of the registry, and others that servers take.
pub fn known() -> impl Iterator<Item = &'static str> {
    SAFE.into_iter().chain(IDEMPOTENT).chain(NEITHER).chain(UNREGISTERED)
}

/// Whether the registry has this method.
#[must_use]
pub fn is_registered(method: &str) -> bool {
    is_idempotent(method) || NEITHER.contains(&method)
}

/// Whether a request with this method changes nothing.
#[must_use]
pub fn is_safe(method: &str) -> bool {
    SAFE.contains(&method)
}

/// Whether a request with this method may be sent twice.
#[must_use]
pub fn is_idempotent(method: &str) -> bool {
    is_safe(method) || IDEMPOTENT.contains(&method)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The registry: method, safe, idempotent.
    const REGISTRY: &str = "
        ACL no yes
        BASELINE-CONTROL no yes
        BIND no yes
        CHECKIN no yes
        CHECKOUT no yes
        CONNECT no no
        COPY no yes
        DELETE no yes
        GET yes yes
        HEAD yes yes
        LABEL no yes
        LINK no yes
        LOCK no no
        MERGE no yes
        MKACTIVITY no yes
        MKCALENDAR no yes
        MKCOL no yes
        MKREDIRECTREF no yes
        MKWORKSPACE no yes
        MOVE no yes
        OPTIONS yes yes
        ORDERPATCH no yes
        PATCH no no
        POST no no
        PRI yes yes
        PROPFIND yes yes
        PROPPATCH no yes
        PUT no yes
        QUERY yes yes
        REBIND no yes
        REPORT yes yes
        SEARCH yes yes
        TRACE yes yes
        UNBIND no yes
        UNCHECKOUT no yes
        UNLINK no yes
        UNLOCK no yes
        UPDATE no yes
        UPDATEREDIRECTREF no yes
        VERSION-CONTROL no yes
    ";

    #[test]
    fn each_registered_method_is_what_the_registry_says() {
        for line in REGISTRY.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split(' ').collect();
            let [method, safe, idempotent] = words[..] else { panic!("{line}") };
            assert_eq!((is_safe(method), is_idempotent(method)), (safe == "yes", idempotent == "yes"), "{method}");
            assert!(is_registered(method), "{method}");
        }
    }

    #[test]
    fn of_a_method_that_is_not_registered_nothing_is_assumed() {
        for method in ["PURGE", "M-SEARCH", "get", "propfind", "", "NOTIFY"] {
            assert!(!is_safe(method) && !is_idempotent(method) && !is_registered(method), "{method}");
        }
    }
}
