//! What the OpenAPI document says about each operation: its tag, its summary, and what a caller must know besides.
//!
//! Operations are named as in [`crate::http::routes`]. One without a text here fails the start of the gateway and every
//! test that makes the document.

mod administration;
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
                "oidc::ways",
                "Ways to sign in",
                "The provider at which people sign in to the console, if there is one.",
            ),
            text(
                "oidc::start",
                "Sign in at the provider",
                "Leads a browser to the configured OpenID Connect provider (authorization code flow with PKCE). Where no \
                 provider is configured there is no such path.",
            ),
            text(
                "oidc::callback",
                "Come back from the provider",
                "Where the provider sends the browser. It leads to the console: with a session whose refresh token is in \
                 the cookie `tollgate_refresh`, or to its sign-in page, which says why there is none. An answer is good \
                 once, within ten minutes, in the browser that began.",
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
                 them in the form of OpenAI's API, or where the header `anthropic-version` is sent a page, in the form of \
                 Anthropic's API, of those that routes of this API's format take. A configured route with this path goes \
                 before this endpoint.",
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
    administration::API_KEYS,
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
    administration::USERS,
    administration::TEAMS,
    administration::LIMITS,
    administration::BUDGETS,
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
    administration::LISTS,
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
            text("docs::lead", "To this page", ""),
            text("docs::lead_to_problems", "To the page of the codes", ""),
            text(
                "docs::routes",
                "What this gateway forwards",
                "The routes in force, with what a client must know to call: as public as the page, which lists them. Who may call, \
                 and which models, GET /admin/routes and GET /v1/models say.",
            ),
            text("docs::document", "The OpenAPI document", "As public as the page of it."),
        ],
    },
];
