//! What a token costs: `cargo bench --bench identity`.
//!
//! Verifying anew (each algorithm) and from the thread's cache, signing, and a whole login's and refresh's work in the
//! token issuer on SQLite, where a refresh is a commit to the disk.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use tollgate::{
    actors::{
        roster::Roster,
        supervisor::Starts,
        token_issuer::{Blueprint, Issue, Issuer, Keys},
    },
    clock::Clock,
    config::Config,
    credentials::jwt::{Claims, PublicKey, RingKey, SigningKey, Verifier},
    crypto::{self, MasterKey},
    domain::{
        algorithm::Algorithm,
        allowed::Allowed,
        ids::{SessionId, TokenId, UserId},
        principal::{Role, UserStatus},
    },
    pipeline::authenticate::OwnTokens,
    snapshot::{Snapshot, revocations::Revocations},
    store::{Settings, Store, migrations, users::NewUser},
};

const NOW_S: i64 = 1_800_000_000;
const ALGORITHMS: [Algorithm; 3] = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Hs256];

struct Pair {
    signing: SigningKey,
    verifier: Arc<Verifier>,
}

fn pair(algorithm: Algorithm) -> Option<Pair> {
    let (private, public) = match algorithm {
        Algorithm::EdDsa => crypto::new_ed25519().ok()?,
        Algorithm::Es256 => crypto::new_p256().ok()?,
        Algorithm::Hs256 => (vec![7; 32].into(), vec![7; 32]),
    };
    let key = PublicKey::new(algorithm, &public).ok()?;
    let signing = SigningKey::new(algorithm, key.kid(), &private);
    let ring = [RingKey { key, retired_at_s: None }];
    Some(Pair { signing, verifier: Arc::new(Verifier::new("tollgate", "tollgate", 900, ring)) })
}

fn claims(clock: &Clock) -> Claims {
    Claims {
        iss: "tollgate".into(),
        aud: "tollgate".into(),
        sub: UserId(clock.new_id()),
        jti: TokenId(clock.new_id()),
        iat: NOW_S,
        nbf: NOW_S,
        exp: NOW_S + 900,
        role: Role::User,
        key: None,
        sid: SessionId(clock.new_id()),
    }
}

fn tokens(criterion: &mut Criterion) {
    let claims = claims(&Clock::system());
    for algorithm in ALGORITHMS {
        let Some(Pair { signing, verifier }) = pair(algorithm) else { continue };
        let Ok(token) = signing.sign(&claims) else { continue };
        assert!(verifier.verify(&token, NOW_S).is_ok());
        criterion.bench_function(&format!("sign/{algorithm}"), |b| b.iter(|| signing.sign(black_box(&claims))));
        criterion.bench_function(&format!("verify cold/{algorithm}"), |b| {
            b.iter(|| verifier.verify(black_box(&token), NOW_S));
        });
        let cache = OwnTokens::new(8_192, &[7; 16]);
        let cached = |token: &str| cache.get_or_verify(&verifier, token, || verifier.verify(token, NOW_S));
        let checked = |token: &str| cached(token).and_then(|verified| verified.check(NOW_S));
        criterion.bench_function(&format!("verify cached/{algorithm}"), |b| b.iter(|| checked(black_box(&token))));
    }
}

/// An issuer with a user, on a store of its own.
struct Desk {
    system: actix::SystemRunner,
    issuer: Issuer,
    user: UserId,
    revision: i64,
    _folder: tempfile::TempDir,
}

impl Desk {
    fn open() -> Option<Self> {
        let folder = tempfile::tempdir().ok()?;
        let url = format!("sqlite:{}", folder.path().join("bench.db").display());
        migrations::run(&url).ok()?;
        let timeout = Duration::from_secs(10);
        let settings = Settings { url, pool_size: 4, acquire_timeout: timeout, statement_timeout: timeout };
        let (store, clock) = (Store::open(&settings).ok()?, Clock::system());
        let system = actix::System::new();
        let issuer = Issuer::new(64, timeout);
        let user = system.block_on(start(&store, &clock, &issuer))?;
        let revision = system.block_on(store.user(user)).ok()??.revision;
        Some(Self { system, issuer, user, revision, _folder: folder })
    }

    fn issue(&self) -> Option<String> {
        let issue = Issue { user: self.user, revision: self.revision };
        Some(self.system.block_on(self.issuer.issue(issue)).ok()?.ok()?.refresh_token)
    }

    fn refresh(&self, token: String) -> Option<String> {
        Some(self.system.block_on(self.issuer.refresh(token)).ok()?.ok()?.refresh_token)
    }
}

async fn start(store: &Store, clock: &Clock, issuer: &Issuer) -> Option<UserId> {
    let keys = Keys {
        store: store.clone(),
        clock: clock.clone(),
        auth: Config::built_in().ok()?.auth,
        master: Arc::new(MasterKey::from_base64(&crypto::new_master_key().ok()?).ok()?),
        hmac: None,
    };
    let verifier = Snapshot::new(Verifier::new("tollgate", "tollgate", 900, []));
    let revocations = Snapshot::new(Revocations::default());
    issuer.start_here(&Roster::default(), Blueprint { keys, verifier, revocations }).await.ok()?;
    let id = UserId(clock.new_id());
    let user = NewUser {
        id,
        username: "bench".parse().ok()?,
        password_hash: None,
        role: Role::User,
        status: UserStatus::Active,
        team_id: None,
        models: Allowed::default(),
        created_at: clock.now(),
    };
    store.create_first_admin(user, None).await.ok()?.then_some(id)
}

fn sessions(criterion: &mut Criterion) {
    let Some(desk) = Desk::open() else { return };
    criterion.bench_function("issue, with its session on disk", |b| b.iter(|| desk.issue()));
    let Some(mut refresh_token) = desk.issue() else { return };
    criterion.bench_function("refresh, with its rotation on disk", |b| {
        b.iter(|| {
            if let Some(next) = desk.refresh(refresh_token.clone()) {
                refresh_token = next;
            }
        });
    });
}

criterion_group!(benches, tokens, sessions);
criterion_main!(benches);
