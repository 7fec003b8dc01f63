//! Which fields of a request say who asks: they are part of the key of every answer, because few upstreams name them in `Vary`.

/// What is in the names of request fields that pass to upstreams and say who asks, for whom, of whose, or in which version. Such
/// names are made up every day, so they are known by their words: a field too many costs a hit, one too few gives an answer to
/// somebody else.
const WHO_ASKS: [&str; 52] = [
    "account",
    "actor",
    "appcheck",
    "assertion",
    "auth",
    "bearer",
    "client-id",
    "clientid",
    "company",
    "cookie",
    "credential",
    "customer",
    "database",
    "dpop",
    "email",
    "group",
    "identity",
    "impersonat",
    "jwt",
    "key",
    "login",
    "member",
    "merchant",
    "namespace",
    "org",
    "otp",
    "owner",
    "partition",
    "pass",
    "permission",
    "profile",
    "project",
    "realm",
    "role",
    "schema",
    "scope",
    "secret",
    "session",
    "shop",
    "sign",
    "site",
    "store",
    "subject",
    "subscription",
    "sudo",
    "team",
    "tenant",
    "ticket",
    "token",
    "user",
    "version",
    "workspace",
];

/// The ends of names that have such a word and say nothing of the kind.
const NOT_WHO: [&str; 8] = [
    "full-version-list",
    "idempotency-key",
    "package-version",
    "platform-version",
    "runtime-version",
    "sec-fetch-site",
    "sec-fetch-user",
    "user-agent",
];

/// Whether a field of this name, in lower case, says who asks.
pub(super) fn says_who_asks(name: &str) -> bool {
    WHO_ASKS.iter().any(|word| name.contains(word)) && !NOT_WHO.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAY_WHO_ASKS: [&str; 57] = [
        "cookie",
        "api-key",
        "apikey",
        "x-goog-api-key",
        "x-auth-token",
        "x-access-token",
        "x-amz-security-token",
        "x-csrf-token",
        "private-token",
        "x-vault-token",
        "x-vault-namespace",
        "x-session-token",
        "x-session-id",
        "x-auth",
        "x-auth-key",
        "x-shopify-access-token",
        "ocp-apim-subscription-key",
        "dd-api-key",
        "x-parse-session-token",
        "x-functions-key",
        "x-rapidapi-key",
        "x-token",
        "token",
        "access-token",
        "x-user-token",
        "circle-token",
        "x-redmine-api-key",
        "x-hasura-admin-secret",
        "x-hasura-role",
        "dpop",
        "x-tenant-id",
        "x-scope-orgid",
        "openai-organization",
        "openai-project",
        "x-trackertoken",
        "x-mbx-apikey",
        "x-line-signature",
        "signature",
        "x-goog-iap-jwt-assertion",
        "x-user-id",
        "stripe-account",
        "x-client-id",
        "x-storage-pass",
        "x-firebase-appcheck",
        "mcp-session-id",
        "sudo",
        "stripe-version",
        "x-github-api-version",
        "api-version",
        "accept-profile",
        "x-clickhouse-database",
        "x-trino-schema",
        "x-merchant-id",
        "x-company-id",
        "x-shop",
        "x-site-id",
        "store",
    ];

    const SAY_NOTHING_OF_THAT: [&str; 24] = [
        "accept",
        "accept-encoding",
        "accept-language",
        "user-agent",
        "x-amz-user-agent",
        "sec-fetch-user",
        "origin",
        "referer",
        "range",
        "if-none-match",
        "idempotency-key",
        "traceparent",
        "baggage",
        "x-requested-with",
        "x-stainless-lang",
        "cache-control",
        "dnt",
        "priority",
        "upgrade-insecure-requests",
        "sec-fetch-site",
        "sec-ch-ua-full-version-list",
        "sec-ch-ua-platform-version",
        "x-stainless-package-version",
        "x-stainless-runtime-version",
    ];

    #[test]
    fn a_field_is_known_by_the_words_in_its_name() {
        for name in SAY_WHO_ASKS {
            assert!(says_who_asks(name), "{name}");
        }
        for name in SAY_NOTHING_OF_THAT {
            assert!(!says_who_asks(name), "{name}");
        }
    }
}
