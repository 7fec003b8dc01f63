//! What the document says of what administrators make, change and delete.

use super::{Tag, text};

pub(super) const API_KEYS: Tag = Tag {
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
            "api_keys::of_team::create",
            "Make an API key with its user, budget and limits",
            "All of it or nothing. The key belongs to `username`, a user of the team; where nobody has the name, the user is made. \
             `budget` and `limits` are those of this key alone. In force when this is answered, on every other replica within a \
             second. The key is answered once: keep it. With an Idempotency-Key the same request gives the same answer for 24 hours.",
        ),
        text("api_keys::terms::show", "Show an API key", "Revoked and expired ones too, while they are kept."),
        text(
            "api_keys::terms::change",
            "Change an API key",
            "Its name, its end and what it may do; the secret stays. With another role or another end the tokens that it was exchanged for end.",
        ),
        text(
            "api_keys::by_name::list",
            "List the API keys of a user by the user's name",
            "Revoked and expired ones are among them.",
        ),
        text(
            "api_keys::by_name::show",
            "Show an API key by its name",
            "The one of this user that is neither revoked nor expired; 409 where there are several of this name.",
        ),
        text(
            "api_keys::by_name::put",
            "Make or change an API key by its name",
            "201 with the key, once, where the user has none of this name that is neither revoked nor expired; else 200 without it, and the key is as the body says. Without `expires_at` it does not expire, without `role` it has that of the user. A PUT that is sent again changes nothing: 200 with the same body, and no change is noted.",
        ),
        text("api_keys::by_name::change", "Change an API key by its name", "As by its id."),
        text("api_keys::by_name::revoke", "Revoke an API key by its name", "As by its id. The name is free again."),
        text(
            "api_keys::rotation::rotate_any",
            "Replace the secret of an API key",
            "The key keeps its id. The new secret is answered once; the old one goes on for overlap_s.",
        ),
        text(
            "api_keys::terms::revoke",
            "Revoke an API key",
            "It and every token it was exchanged for are dead at once, everywhere within a second.",
        ),
    ],
};

pub(super) const USERS: Tag = Tag {
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
        text("users::by_name::show", "Show a user by its name", ""),
        text(
            "users::by_name::put",
            "Make or change a user by its name",
            "What the body does not give has its default: without `team_id` the user is in no team. Without `password` the present one stays. A PUT that is sent again changes nothing: 200 with the same body, and no change is noted.",
        ),
        text("users::by_name::change", "Change a user by its name", "As by its id."),
        text("users::by_name::delete", "Delete a user by its name", "As by its id."),
    ],
};

pub(super) const TEAMS: Tag = Tag {
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
        text(
            "teams::by_name::show",
            "Show a team by its name",
            "The name as it is written, percent-encoded but for its slashes, which stand as they are.",
        ),
        text(
            "teams::by_name::put",
            "Make or change a team by its name",
            "The name as for GET. What the body does not give has its default. A PUT that is sent again changes nothing: 200 with the same body, and no change is noted.",
        ),
        text("teams::by_name::change", "Change a team by its name", "As by its id."),
        text("teams::by_name::delete", "Delete a team by its name", "As by its id."),
    ],
};

pub(super) const LIMITS: Tag = Tag {
    name: "Limits",
    description: "How much may be called, for administrators; `readonly` may look.",
    operations: &[
        text("limits::list", "List limits", ""),
        text(
            "limits::create",
            "Create a limit",
            "With `window_s` what was used comes back little by little, so that \"20 a day\" admits up to 40 in \
             some 24 hours; with `window` at most 20 in each calendar day. It holds for the next call, everywhere within a second. With an Idempotency-Key the same request \
             gives the same answer for 24 hours.",
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
        text(
            "limits::by_name::show",
            "Show a limit by its name",
            "Several may share a name, each with another subject: `subject` says whose is meant, and without it the one without a subject.",
        ),
        text(
            "limits::by_name::put",
            "Make or change a limit by its name",
            "The one of this name and the `subject` in the body, a name or an id; without, the one without a subject. What the body does not give has its default. A PUT that is sent again changes nothing: 200 with the same body, and no change is noted.",
        ),
        text("limits::by_name::change", "Change a limit by its name", "As by its id. `subject` as for GET."),
        text("limits::by_name::delete", "Delete a limit by its name", "As by its id. `subject` as for GET."),
    ],
};

pub(super) const BUDGETS: Tag = Tag {
    name: "Budgets",
    description: "How much calls may cost, for administrators; `readonly` may look.",
    operations: &[
        text("budgets::list", "List budgets", ""),
        text(
            "budgets::create",
            "Create a budget",
            "It counts from when it is made, everywhere within a second: what was spent before, also in the same period, \
             is not in it. `subject` takes a name or an id. With an Idempotency-Key the same request gives the same \
             answer for 24 hours.",
        ),
        text("budgets::show", "Show a budget", ""),
        text(
            "budgets::change",
            "Change a budget",
            "It holds for the next call, everywhere within a second. What was spent stays spent.",
        ),
        text("budgets::delete", "Delete a budget", "What was spent stays in the ledger."),
        text(
            "budgets::by_name::show",
            "Show a budget by its name",
            "Several may share a name, each with another subject: `subject` says whose is meant, and without it the one without a subject.",
        ),
        text(
            "budgets::by_name::put",
            "Make or change a budget by its name",
            "The one of this name and the `subject` in the body, a name or an id; without, the one without a subject. What the body does not give has its default; what was spent stays spent. A PUT that is sent again changes nothing: 200 with the same body, and no change is noted.",
        ),
        text("budgets::by_name::change", "Change a budget by its name", "As by its id. `subject` as for GET."),
        text("budgets::by_name::delete", "Delete a budget by its name", "As by its id. `subject` as for GET."),
    ],
};

pub(super) const LISTS: Tag = Tag {
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
            "configured::put_upstream",
            "Make or change an upstream",
            "What the body does not give has its default. Without `secret` the present one stays; null takes it away. A PUT that is sent again changes nothing: 200 with the same body, and no change is noted.",
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
        text(
            "configured::put_route",
            "Make or change a route",
            "What the body does not give has its default. A PUT that is sent again changes nothing: 200 with the same body, and no change is noted.",
        ),
        text("configured::change_route", "Change a route", ""),
        text("configured::delete_route", "Delete a route", ""),
        text("configured::models", "List names for models", ""),
        text("configured::model", "Show a name for models", ""),
        text("configured::create_model", "Make a name for models", ""),
        text(
            "configured::put_model",
            "Make or change a name for models",
            "What the body does not give has its default. A PUT that is sent again changes nothing: 200 with the same body, and no change is noted.",
        ),
        text("configured::change_model", "Change a name for models", ""),
        text("configured::delete_model", "Delete a name for models", ""),
    ],
};
