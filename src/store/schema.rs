// @generated automatically by Diesel CLI.

diesel::table! {
    api_keys (id) {
        id -> Text,
        user_id -> Text,
        name -> Text,
        secret_hash -> Binary,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        revision -> BigInt,
        role -> Nullable<Text>,
        routes -> Nullable<Text>,
        models -> Nullable<Text>,
        last_used_at -> Nullable<BigInt>,
        generation -> BigInt,
        old_secret_hash -> Nullable<Binary>,
        old_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    audit_checkpoints (chain, number) {
        chain -> Text,
        number -> BigInt,
        seq -> BigInt,
        time -> BigInt,
        statement -> Text,
        signature -> Binary,
    }
}

diesel::table! {
    audit_drops (chain) {
        chain -> Text,
        through_seq -> BigInt,
    }
}

diesel::table! {
    audit_entries (chain, seq) {
        chain -> Text,
        seq -> BigInt,
        id -> Text,
        request_id -> Text,
        stage -> Text,
        time -> BigInt,
        user_id -> Nullable<Text>,
        route -> Nullable<Text>,
        decision -> Nullable<Text>,
        status -> Nullable<Integer>,
        prev_hash -> Binary,
        hash -> Binary,
        entry -> Text,
        about -> Nullable<Text>,
        personal -> Nullable<Text>,
        change -> Nullable<Text>,
    }
}

diesel::table! {
    audit_erasures (user_id, chain) {
        user_id -> Text,
        chain -> Text,
        through_seq -> BigInt,
    }
}

diesel::table! {
    budget_alerts (id) {
        id -> Text,
        account -> Text,
        fraction_ppm -> BigInt,
        name -> Text,
        spent_pusd -> BigInt,
        limit_pusd -> BigInt,
        raised_at -> BigInt,
        owner -> Text,
        recorded_at -> Nullable<BigInt>,
        told_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    budgets (id) {
        id -> Text,
        name -> Text,
        subject -> Nullable<Text>,
        spec -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        revision -> BigInt,
    }
}

diesel::table! {
    cache_purges (route) {
        route -> Text,
        purge_id -> Text,
    }
}

diesel::table! {
    idempotency_keys (user_id, idempotency_key) {
        user_id -> Text,
        idempotency_key -> Text,
        fingerprint -> Binary,
        status -> Integer,
        location -> Nullable<Text>,
        body -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    ledger_balances (account) {
        account -> Text,
        spent_pusd -> BigInt,
        held_pusd -> BigInt,
    }
}

diesel::table! {
    ledger_entries (request_id, kind) {
        request_id -> Text,
        kind -> Text,
        time -> BigInt,
        amount_pusd -> BigInt,
        accounts -> Text,
        user_id -> Text,
        team_id -> Nullable<Text>,
        key_id -> Nullable<Text>,
        route -> Text,
        model -> Nullable<Text>,
        price_version -> Nullable<BigInt>,
        input_tokens -> BigInt,
        cached_tokens -> BigInt,
        cache_write_tokens -> BigInt,
        output_tokens -> BigInt,
        reasoning_tokens -> BigInt,
        estimated -> Bool,
        upstream -> Nullable<Text>,
        served_model -> Nullable<Text>,
    }
}

diesel::table! {
    ledger_holds (request_id) {
        request_id -> Text,
        owner -> Text,
        opened_at -> BigInt,
        amount_pusd -> BigInt,
        accounts -> Text,
        user_id -> Text,
        team_id -> Nullable<Text>,
        key_id -> Nullable<Text>,
        route -> Text,
        model -> Nullable<Text>,
        price_version -> Nullable<BigInt>,
    }
}

diesel::table! {
    ledger_orphans (request_id) {
        request_id -> Text,
        ended_at -> BigInt,
        owner -> Text,
    }
}

diesel::table! {
    limits (id) {
        id -> Text,
        name -> Text,
        routes -> Text,
        per -> Text,
        subject -> Nullable<Text>,
        unit -> Text,
        quantity -> BigInt,
        window_s -> Nullable<BigInt>,
        burst -> Nullable<BigInt>,
        mode -> Text,
        on_error -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        revision -> BigInt,
        calendar -> Nullable<Text>,
        time_zone -> Nullable<Text>,
    }
}

diesel::table! {
    list_entries (kind, name) {
        kind -> Text,
        name -> Text,
        document -> Text,
        sealed_secret -> Nullable<Binary>,
        created_at -> BigInt,
        updated_at -> BigInt,
        revision -> BigInt,
    }
}

diesel::table! {
    price_versions (version) {
        version -> BigInt,
        created_at -> BigInt,
        source -> Text,
    }
}

diesel::table! {
    prices (model, from_version) {
        model -> Text,
        from_version -> BigInt,
        until_version -> Nullable<BigInt>,
        spec -> Text,
    }
}

diesel::table! {
    purged_api_keys (id) {
        id -> Text,
        name -> Text,
    }
}

diesel::table! {
    quota_accounts (account) {
        account -> Text,
        state -> Text,
        idle_at -> BigInt,
    }
}

diesel::table! {
    quota_vaults (name) {
        name -> Text,
        born_at -> BigInt,
    }
}

diesel::table! {
    redeemed_sign_ins (state_hash) {
        state_hash -> Binary,
        redeemed_at -> BigInt,
    }
}

diesel::table! {
    replicas (name) {
        name -> Text,
        beats -> BigInt,
    }
}

diesel::table! {
    revisions (name) {
        name -> Text,
        value -> BigInt,
    }
}

diesel::table! {
    sealed_secrets (name) {
        name -> Text,
        sealed -> Binary,
    }
}

diesel::table! {
    sessions (id) {
        id -> Text,
        user_id -> Text,
        generation -> BigInt,
        created_at -> BigInt,
        rotated_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        revision -> BigInt,
        api_key_id -> Nullable<Text>,
    }
}

diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        algorithm -> Text,
        public_key -> Binary,
        sealed_private_key -> Binary,
        created_at -> BigInt,
        retired_at -> Nullable<BigInt>,
        activates_at -> BigInt,
    }
}

diesel::table! {
    stamps (name, value) {
        name -> Text,
        value -> BigInt,
        mark -> BigInt,
    }
}

diesel::table! {
    teams (id) {
        id -> Text,
        name -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        revision -> BigInt,
        models -> Nullable<Text>,
    }
}

diesel::table! {
    traffic_groups (id) {
        id -> BigInt,
        chain -> Text,
        route -> Nullable<Text>,
        decision -> Nullable<Text>,
        reason -> Nullable<Text>,
        status -> Nullable<Integer>,
        upstream -> Nullable<Text>,
        model -> Nullable<Text>,
    }
}

diesel::table! {
    traffic_marks (chain) {
        chain -> Text,
        through_seq -> BigInt,
    }
}

diesel::table! {
    traffic_sums (span_s, begin_s, group_id) {
        span_s -> BigInt,
        begin_s -> BigInt,
        group_id -> BigInt,
        requests -> BigInt,
        cost_pusd -> BigInt,
        durations -> Binary,
    }
}

diesel::table! {
    unshown_passwords (user_id) {
        user_id -> Text,
        password_hash -> Text,
        replica -> Text,
    }
}

diesel::table! {
    users (id) {
        id -> Text,
        username -> Text,
        password_hash -> Nullable<Text>,
        role -> Text,
        status -> Text,
        team_id -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        revision -> BigInt,
        external_issuer -> Nullable<Text>,
        external_subject -> Nullable<Text>,
        tokens_not_before -> BigInt,
        models -> Nullable<Text>,
    }
}

diesel::joinable!(api_keys -> users (user_id));
diesel::joinable!(sessions -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    api_keys,
    audit_checkpoints,
    audit_drops,
    audit_entries,
    audit_erasures,
    budget_alerts,
    budgets,
    cache_purges,
    idempotency_keys,
    ledger_balances,
    ledger_entries,
    ledger_holds,
    ledger_orphans,
    limits,
    list_entries,
    price_versions,
    prices,
    purged_api_keys,
    quota_accounts,
    quota_vaults,
    redeemed_sign_ins,
    replicas,
    revisions,
    sealed_secrets,
    sessions,
    signing_keys,
    stamps,
    teams,
    traffic_groups,
    traffic_marks,
    traffic_sums,
    unshown_passwords,
    users,
);
