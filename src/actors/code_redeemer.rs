//! `CodeRedeemer`: owns which sign-ins at the provider have been redeemed, and redeems the code of each at most once.
//!
//! Called by the handlers of `/auth/oidc/…`. It posts the code to the token endpoint and verifies the ID token that comes back;
//! who the user is here, is not its business. Everything that it waits for has a bound. What it knows is gone when it
//! dies, and no other replica knows it: there a code that comes twice is refused by the provider (RFC 6749 §4.1.2).

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use actix::{Actor, Context, Handler};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    handle::{Ask, Handle, NoAnswer, Request},
    key_fetcher::OutsideKeys,
    roster::Roster,
    supervisor::{Lifeline, Starts, supervise},
};
use crate::{
    clock::Clock,
    credentials::jwt::outside::{
        Endpoints, Expected, IdTokenRejection, OutsideToken, OutsideVerifier, SecretGoes, SignedIn,
    },
    crypto,
    domain::sign_in::{IdTokenFault, SignInFault},
    snapshot::Snapshot,
    upstream::jwks::{FetchError, JwksClient},
};

/// How long a sign-in may take, from the start to the answer of the provider.
pub const SIGN_IN_TTL: Duration = Duration::from_mins(10);
/// How long a caller waits: for the token endpoint, and for keys twice.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most redeemed sign-ins that are remembered; more within ten minutes are refused.
const MAX_REDEEMED: usize = 100_000;

/// This gateway as a client of the provider. It has no `Debug`: it has the secret.
#[derive(Clone)]
pub struct Client {
    /// The issuer's name.
    pub issuer: Arc<str>,
    pub id: Arc<str>,
    pub secret: Zeroizing<String>,
    /// The claim that names a user; empty: the usual ones.
    pub username_claim: String,
}

/// Redeems a code and tells who has signed in. It has no `Debug`: the code is a secret.
pub struct Redeem {
    pub state: String,
    pub code: Zeroizing<String>,
    /// What `code_challenge` was made of (RFC 7636 §4.1).
    pub verifier: Zeroizing<String>,
    pub nonce: String,
    pub redirect_uri: String,
}

impl Request for Redeem {
    type Answer = Result<SignedIn, SignInFault>;
}

/// Owns the redeemed sign-ins.
pub struct CodeRedeemer {
    provider: Provider,
    /// When each was redeemed, by the hash of its state, in nanoseconds.
    redeemed: HashMap<[u8; 32], u64>,
    _lifeline: Lifeline,
}

/// What is needed to ask the provider.
#[derive(Clone)]
struct Provider {
    http: JwksClient,
    client: Arc<Client>,
    verifier: Snapshot<OutsideVerifier>,
    keys: OutsideKeys,
    clock: Clock,
}

/// What the token endpoint answers (`OpenID` Connect Core §3.1.3.3).
#[derive(Deserialize)]
struct TokenAnswer {
    id_token: Zeroizing<String>,
    access_token: Option<Zeroizing<String>>,
}

impl Actor for CodeRedeemer {
    type Context = Context<Self>;
}

impl Handler<Ask<Redeem>> for CodeRedeemer {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Redeem>, _: &mut Self::Context) {
        if let Err(fault) = self.mark(&request.state) {
            return reply.answer(Err(fault));
        }
        let provider = self.provider.clone();
        actix::spawn(async move { reply.answer(provider.redeem(&request).await) });
    }
}

impl CodeRedeemer {
    /// Notes that the sign-in of this state is redeemed now.
    fn mark(&mut self, state: &str) -> Result<(), SignInFault> {
        let now_ns = self.provider.clock.monotonic_ns();
        let kept_ns = u64::try_from(SIGN_IN_TTL.as_nanos()).unwrap_or(u64::MAX);
        if self.redeemed.len() >= MAX_REDEEMED {
            self.redeemed.retain(|_, at_ns| now_ns.saturating_sub(*at_ns) <= kept_ns);
        }
        if self.redeemed.len() >= MAX_REDEEMED {
            return Err(SignInFault::Unavailable);
        }
        let before = self.redeemed.insert(crypto::sha256(&[state.as_bytes()]), now_ns);
        if before.is_some() { Err(SignInFault::UsedBefore) } else { Ok(()) }
    }
}

impl Provider {
    async fn redeem(&self, redeem: &Redeem) -> Result<SignedIn, SignInFault> {
        let endpoints = self.endpoints().await.ok_or(SignInFault::ProviderUnavailable)?;
        let answer = self.exchange(&endpoints, redeem).await.map_err(|error| {
            tracing::warn!(issuer = &*self.client.issuer, %error, "the provider gave no token for a code");
            match error {
                FetchError::Refused { .. } => SignInFault::RefusedByProvider,
                _ => SignInFault::ProviderUnavailable,
            }
        })?;
        let answer: TokenAnswer = serde_json::from_slice(&answer).map_err(|_| {
            tracing::warn!(issuer = &*self.client.issuer, "the token endpoint answered without an ID token");
            SignInFault::ProviderUnavailable
        })?;
        self.verify(&answer, &redeem.nonce).await.map_err(|fault| {
            tracing::warn!(issuer = &*self.client.issuer, %fault, "an ID token of the provider is not accepted");
            SignInFault::InvalidIdToken(fault)
        })
    }

    async fn exchange(&self, endpoints: &Endpoints, redeem: &Redeem) -> Result<bytes::Bytes, FetchError> {
        let (id, secret) = (&*self.client.id, self.client.secret.as_str());
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", redeem.code.as_str()),
            ("redirect_uri", redeem.redirect_uri.as_str()),
            ("code_verifier", redeem.verifier.as_str()),
        ];
        match endpoints.secret_goes {
            SecretGoes::InHeader => self.http.post(&endpoints.token, &form, Some((id, secret))).await,
            SecretGoes::InForm => {
                form.extend([("client_id", id), ("client_secret", secret)]);
                self.http.post(&endpoints.token, &form, None).await
            }
        }
    }

    /// A key that is not known here is looked for once.
    async fn verify(&self, answer: &TokenAnswer, nonce: &str) -> Result<SignedIn, IdTokenFault> {
        let Client { issuer, username_claim, .. } = &*self.client;
        let token = OutsideToken::read(&answer.id_token)?;
        let access_token = answer.access_token.as_ref().map(|token| token.as_str());
        let expected = Expected { nonce, access_token, username_claim };
        let now_s = self.clock.now().as_second();
        let look = || self.verifier.read().verify_id_token(issuer, &token, &expected, now_s);
        let fetched = self.verifier.read().fetched(issuer);
        let looked = match look() {
            Err(IdTokenRejection::NeedsKeys(_)) => {
                self.keys.look_again(Arc::clone(issuer), fetched).await;
                look()
            }
            looked => looked,
        };
        looked.map_err(|rejection| match rejection {
            IdTokenRejection::NeedsKeys(fault) => fault.into(),
            IdTokenRejection::Rejected(fault) => fault,
        })
    }

    /// Where people sign in; asked for again where it is not known yet.
    async fn endpoints(&self) -> Option<Arc<Endpoints>> {
        let issuer = &self.client.issuer;
        if let Some(known) = self.verifier.read().endpoints(issuer) {
            return Some(known);
        }
        self.keys.look_again(Arc::clone(issuer), self.verifier.read().fetched(issuer)).await;
        self.verifier.read().endpoints(issuer)
    }
}

/// The redeemer's handle, and the provider as the handlers see it.
#[derive(Clone)]
pub struct SignIns {
    handle: Handle<CodeRedeemer>,
    provider: Provider,
}

impl Starts for SignIns {
    type Blueprint = ();
    type Error = Infallible;

    /// Starts the redeemer on this arbiter and keeps it running.
    async fn start_here(&self, roster: &Roster, (): ()) -> Result<(), Infallible> {
        let provider = self.provider.clone();
        let build = move |lifeline| {
            let redeemer = CodeRedeemer { provider: provider.clone(), redeemed: HashMap::new(), _lifeline: lifeline };
            std::future::ready(Ok::<_, Infallible>(redeemer))
        };
        supervise(roster, self.handle.clone(), build).await
    }
}

impl SignIns {
    /// A handle to a redeemer that does not run yet.
    #[must_use]
    pub fn new(
        max_in_flight: usize,
        client: Client,
        (verifier, keys): (Snapshot<OutsideVerifier>, OutsideKeys),
        clock: Clock,
    ) -> Self {
        let provider = Provider { http: JwksClient::new(), client: Arc::new(client), verifier, keys, clock };
        Self { handle: Handle::new("code_redeemer", max_in_flight, PATIENCE), provider }
    }

    /// This gateway as a client of the provider.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.provider.client
    }

    /// Where people sign in; `None` while the provider cannot be asked. Waits for it two seconds at most.
    pub async fn endpoints(&self) -> Option<Arc<Endpoints>> {
        self.provider.endpoints().await
    }

    /// Redeems a code; of two with one state only the first.
    pub async fn redeem(&self, redeem: Redeem) -> Result<Result<SignedIn, SignInFault>, NoAnswer> {
        self.handle.ask(redeem).await
    }

    /// The typed handle under this one.
    pub const fn handle(&self) -> &Handle<CodeRedeemer> {
        &self.handle
    }
}
