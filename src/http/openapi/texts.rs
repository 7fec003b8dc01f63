//! What the OpenAPI document says about each operation: its tag, its summary, and what a caller must know besides.
//!
//! Operations are named as in [`crate::http::routes`]. One without a text here fails the start of the gateway and every
//! test that makes the document.

mod audit;

/// A group of operations, in the order in which the document lists them.
pub(super) struct Tag {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    operations: &'static [Text],
}

/// The text of one operation.
pub(super) struct Text {
    /// The handler's path below `http`.
    operation: &'static str,
    pub(super) summary: &'static str,
    /// Empty where the summary says all.
    pub(super) description: &'static str,
}

/// The tag and the text of an operation.
pub(super) fn of(operation: &str) -> Option<(&'static Tag, &'static Text)> {
    let found = |tag: &'static Tag| tag.operations.iter().find(|text| text.operation == operation);
    TAGS.iter().find_map(|tag| Some((tag, found(tag)?)))
}

const fn text(operation: &'static str, summary: &'static str, description: &'static str) -> Text {
    Text { operation, summary, description }
}

pub(super) const TAGS: &[Tag] = &[
    Tag {
        name: "Authentication",
        description: "Getting tokens, and the keys they verify with.",
        operations: &[
            text("keys::jwks", "Public keys", "The keys that access tokens verify with."),
            text(
                "auth::login",
                "Log in",
                "Gives an access token for calls and a refresh token for the next pair. The refusal is the same \
                 whether the user is unknown, locked, disabled, or the password wrong. After a few failures each \
                 further one doubles the wait: 429 with Retry-After. With `cookie` the refresh token is not in the \
                 body but in the cookie `tollgate_refresh`, which no script can read.",
            ),
            text(
                "auth::refresh",
                "Refresh",
                "Exchanges a refresh token for the next pair. Asking again within the grace gives the same refresh \
                 token; any later reuse ends the session. Without a body the token is taken from the cookie of a login \
                 with `cookie`, for pages of the gateway itself alone.",
            ),
            text(
                "auth::logout",
                "Log out",
                "Ends this session: its access and refresh tokens are dead. Without \
             a credential the session is that of the cookie `tollgate_refresh`, for pages of the gateway itself alone.",
            ),
        ],
    },
    Tag {
        name: "OAuth",
        description: "Tokens for OAuth clients (RFC 6749, 7009, 8414).",
        operations: &[
            text(
                "oauth::metadata",
                "Describe the authorization server",
                "RFC 8414. The URLs are below the configured issuer if that is a URL, else below the host that was \
                 asked.",
            ),
            text(
                "oauth::token",
                "Get a token",
                "RFC 6749. `client_credentials`: an API key's id and secret, by HTTP Basic or in the form, give an \
                 access token that ends with the key at the latest. `refresh_token`: as POST /auth/refresh; the \
                 refresh token alone is the proof. Errors are those of §5.2, as application/json that is a problem \
                 too.",
            ),
            text(
                "oauth::revoke",
                "Revoke a token",
                "RFC 7009. A refresh token or an access token ends its session, an API key is revoked; whoever has \
                 one may do so. Anything else is answered the same.",
            ),
        ],
    },
    Tag {
        name: "Models",
        description: "What the caller may call, as the SDKs of AI providers ask for it.",
        operations: &[
            text(
                "models::list",
                "List models",
                "Those that have a price and that a route takes the caller's calls to, in the order of their names: all of \
                 them in the form of OpenAI's API, or a page in that of Anthropic's where the header \
                 `anthropic-version` is sent. A configured route with this path goes before this endpoint.",
            ),
            text("models::show", "Show a model", "Its name may have slashes. 404 where the caller may not call it."),
        ],
    },
    Tag {
        name: "Me",
        description: "The caller's own account.",
        operations: &[
            text(
                "me::show",
                "Who am I",
                "The caller, their session, and what is left of their limits and budgets. A call whose answer was \
                 read to its end is in it; one that another replica served may take a moment.",
            ),
            text(
                "me::password::change",
                "Change one's own password",
                "Ends all of one's sessions, this one too: log in again. API keys stay.",
            ),
            text(
                "usage::own",
                "One's own usage",
                "Added up from the ledger, up to the last call that was settled. A call whose answer was read to its \
                 end is in it; one that another replica served may take a moment.",
            ),
        ],
    },
    Tag {
        name: "API keys",
        description: "Keys that act as their user, one's own and, for administrators, everybody's.",
        operations: &[
            text("api_keys::list_own", "List one's own API keys", "Revoked and expired ones are among them."),
            text(
                "api_keys::create_own",
                "Make an API key for oneself",
                "The key acts as the caller, with the role they have at the time. It is answered once: keep it. With \
                 an Idempotency-Key the same request gives the same answer for 24 hours.",
            ),
            text(
                "api_keys::revoke_own",
                "Revoke one of one's own API keys",
                "It and every token it was exchanged for are dead at once, everywhere within a second.",
            ),
            text(
                "api_keys::rotation::rotate_own",
                "Replace the secret of one of one's own API keys",
                "The key keeps its id. The new secret is answered once; the old one goes on for overlap_s.",
            ),
            text("api_keys::list_of_user", "List the API keys of a user", "Revoked and expired ones are among them."),
            text(
                "api_keys::create_for_user",
                "Make an API key for a user",
                "The key acts as that user, with the role they have at the time. It is answered once: keep it. With \
                 an Idempotency-Key the same request gives the same answer for 24 hours.",
            ),
            text(
                "api_keys::rotation::rotate_any",
                "Replace the secret of an API key",
                "The key keeps its id. The new secret is answered once; the old one goes on for overlap_s.",
            ),
            text(
                "api_keys::revoke",
                "Revoke an API key",
                "It and every token it was exchanged for are dead at once, everywhere within a second.",
            ),
        ],
    },
    Tag {
        name: "Sessions",
        description: "Sessions that are live, one's own and, for administrators, everybody's.",
        operations: &[
            text("sessions::list_own", "List one's own sessions", "Those that are live."),
            text(
                "sessions::end_own",
                "End one of one's own sessions",
                "Its access and refresh tokens are dead at once, everywhere within a second.",
            ),
            text("sessions::list_of_user", "List the sessions of a user", "Those that are live."),
            text(
                "sessions::end_all_of_user",
                "End all sessions of a user",
                "Their access and refresh tokens are dead at once, everywhere within a second, and so are the tokens \
                 that outside issuers have given the user until now. API keys stay.",
            ),
        ],
    },
    Tag {
        name: "Users",
        description: "Users, for administrators.",
        operations: &[
            text("users::list", "List users", ""),
            text(
                "users::create",
                "Create a user",
                "With an Idempotency-Key the same request gives the same answer for 24 hours.",
            ),
            text("users::show", "Show a user", ""),
            text(
                "users::change",
                "Change a user",
                "A change of role, status or password ends the user's sessions, everywhere within a second. The last \
                 active admin stays one.",
            ),
            text(
                "users::delete",
                "Delete a user",
                "Ends the user's sessions. The name is free again; the audit log keeps what the user did.",
            ),
        ],
    },
    Tag {
        name: "Teams",
        description: "Groups of users, for administrators.",
        operations: &[
            text("teams::list", "List teams", ""),
            text(
                "teams::create",
                "Create a team",
                "With an Idempotency-Key the same request gives the same answer for 24 hours.",
            ),
            text("teams::show", "Show a team", ""),
            text("teams::change", "Change a team", ""),
            text("teams::delete", "Delete a team", "Nobody may be in it."),
        ],
    },
    Tag {
        name: "Limits",
        description: "How much may be called, for administrators; `readonly` may look.",
        operations: &[
            text("limits::list", "List limits", ""),
            text(
                "limits::create",
                "Create a limit",
                "With `window_s` what was used comes back little by little, so that \"20 a day\" admits up to 40 in \
                 some 24 hours; with `window` at most 20 in each calendar day. It holds for the next call, everywhere \
                 within a second. With an Idempotency-Key the same request gives the same answer for 24 hours.",
            ),
            text("limits::show", "Show a limit", ""),
            text(
                "limits::change",
                "Change a limit",
                "It holds for the next call, everywhere within a second. What was used stays used, unless the name, \
                 the kind of subject or the unit changes. `window` takes the place of `window_s` and `burst`, and \
                 `window_s` that of `window` and `time_zone`.",
            ),
            text("limits::delete", "Delete a limit", ""),
        ],
    },
    Tag {
        name: "Budgets",
        description: "How much calls may cost, for administrators; `readonly` may look.",
        operations: &[
            text("budgets::list", "List budgets", ""),
            text(
                "budgets::create",
                "Create a budget",
                "It counts from when it is made, everywhere within a second: what was spent before, also in the same period, is not in \
                 it. `subject` takes a name or an id. With an Idempotency-Key the same \
                 request gives the same answer for 24 hours.",
            ),
            text("budgets::show", "Show a budget", ""),
            text(
                "budgets::change",
                "Change a budget",
                "It holds for the next call, everywhere within a second. What was spent stays spent.",
            ),
            text("budgets::delete", "Delete a budget", "What was spent stays in the ledger."),
        ],
    },
    Tag {
        name: "Cache",
        description: "What is kept of answers, for administrators.",
        operations: &[text(
            "cache::purge",
            "Purge the cache",
            "Forgets the answers that are kept of a route, or of all: here when this is answered, on every other \
                 replica within a second. An answer that is on its way then is not kept either.",
        )],
    },
    Tag {
        name: "Upstreams, routes and models",
        description: "Where calls go, for administrators. What the configuration says is changed in the file and by SIGHUP (409 \
                      here); what is made here is kept in the store, and in force on every replica within a second.",
        operations: &[
            text(
                "configured::upstreams",
                "List upstreams",
                "Each with how it does on this replica. Secrets are not shown.",
            ),
            text("configured::upstream", "Show an upstream", ""),
            text(
                "configured::create_upstream",
                "Make an upstream",
                "As in a configuration, but that `secret` is given here: it is sealed, and no answer and no record has it. What \
                 names a file or a variable of the machine stands in the configuration only.",
            ),
            text(
                "configured::change_upstream",
                "Change an upstream",
                "Calls in flight, its breaker and its health go on. `\"secret\": null` takes the secret away.",
            ),
            text(
                "configured::delete_upstream",
                "Delete an upstream",
                "Refused, with their names, while others lead to it.",
            ),
            text("configured::routes", "List routes", ""),
            text("configured::route", "Show a route", ""),
            text(
                "configured::create_route",
                "Make a route",
                "Held against the configuration's rules, and all other routes.",
            ),
            text("configured::change_route", "Change a route", ""),
            text("configured::delete_route", "Delete a route", ""),
            text("configured::models", "List names for models", ""),
            text("configured::model", "Show a name for models", ""),
            text("configured::create_model", "Make a name for models", ""),
            text("configured::change_model", "Change a name for models", ""),
            text("configured::delete_model", "Delete a name for models", ""),
        ],
    },
    Tag {
        name: "Prices",
        description: "What models cost, for administrators.",
        operations: &[
            text("prices::list", "List prices", "Of the present version of the list, or of any version that ever was."),
            text(
                "prices::put",
                "Set prices",
                "Sets the prices in `items`, takes away those of the models in `remove`, and leaves all others. \
                 Either all of it happens or, with any fault, nothing. Calls are billed by the new version from now \
                 on, everywhere within a second; calls under way by the one that they began with.",
            ),
        ],
    },
    Tag {
        name: "Usage",
        description: "What calls took and cost, for administrators; `readonly` may look.",
        operations: &[text(
            "usage::all",
            "Everybody's usage",
            "Added up from the ledger, up to the last call that was settled. A call whose answer was read to its \
                 end is in it; one that another replica served may take a moment.",
        )],
    },
    Tag {
        name: "Signing keys",
        description: "What access tokens are signed with, for administrators.",
        operations: &[
            text(
                "signing_keys::list",
                "List signing keys",
                "The newest first. Under HS256 there are none: the operator's secret signs.",
            ),
            text(
                "signing_keys::rotate",
                "Rotate the signing key",
                "Publishes a new key, which signs when every replica has read it; the present one then verifies until \
                 its last token has expired. While a new key waits, it is the answer to every rotation. No token is \
                 refused for it.",
            ),
        ],
    },
    audit::TAG,
    Tag {
        name: "Operations",
        description: "Health and documentation.",
        operations: &[
            text("health::healthz", "Liveness", ""),
            text(
                "health::readyz",
                "Readiness",
                "200 where calls are served and the gateway is not draining, else 503 with the same body. Calls are \
                 served without the store and without Redis, as far as they need neither; not without the audit log.",
            ),
            text("health::status", "Readiness in detail", "Of this replica, for administrators."),
            text("console::icon", "The icon", ""),
            text("console::home", "From the root to the console", ""),
            text("console::lead", "To the console", ""),
            text("console::page", "The console", "Pages that call the other endpoints; signing in is up to them."),
            text("console::file", "A file of the console", ""),
            text("docs::page", "This page", "Public where docs.public is set, else for any signed-in caller."),
            text("docs::problems", "What each code of a refusal means", "A page; the code is the fragment."),
            text("docs::document", "The OpenAPI document", "As public as the page of it."),
        ],
    },
];
