//! `CodeRedeemer`: owns which sign-ins at the provider have been redeemed, and redeems the code of each at most once.
//!
//! Called by the handlers of `/auth/oidc/…`. It posts the code to the token endpoint, verifies the ID token that comes back, and
//! asks the userinfo endpoint where the mapping reads a claim that the ID token does not have; who the user is here, is not its
//! business. Everything that it waits for has a bound. Which sign-ins were redeemed stands in the store, so that an answer of
//! the provider that comes twice is refused by every replica and after a restart; it is deleted when no cookie of a sign-in can
//! be so old.

use std::{convert::Infallible, sync::Arc, time::Duration};

use actix::{Actor, AsyncContext, Context, Handler};
use jiff::{SignedDuration, Timestamp};
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
        Endpoints, Expected, IdTokenRejection, NotVouched, OutsideToken, OutsideVerifier, SecretGoes, SignedIn,
        UserInfo, Vouched,
    },
    crypto,
    domain::sign_in::{IdTokenFault, SignInFault},
    snapshot::Snapshot,
    store::{Store, StoreError, sign_ins::Redemption},
    upstream::jwks::{FetchError, JwksClient},
};

/// How long a sign-in may take, from the start to the answer of the provider.
pub const SIGN_IN_TTL: Duration = Duration::from_mins(10);
/// How long a caller waits: for the store, for the token endpoint, for keys twice, and for the userinfo endpoint.
const PATIENCE: Duration = Duration::from_secs(16);
/// How long a redeemed sign-in is remembered: twice as long as one may take, because clocks of replicas differ.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(20);
/// How often those are deleted that need not be remembered any more.
const PURGE: Duration = Duration::from_mins(1);

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
    store: Store,
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

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(PURGE, |redeemer, _| redeemer.purge());
    }
}

impl Handler<Ask<Redeem>> for CodeRedeemer {
    type Result = ();

    fn handle(&mut self, Ask { request, reply }: Ask<Redeem>, _: &mut Self::Context) {
        let (provider, store) = (self.provider.clone(), self.store.clone());
        actix::spawn(async move {
            reply.answer(match mark(&store, &request.state, provider.clock.now()).await {
                Ok(()) => provider.redeem(&request).await,
                Err(fault) => Err(fault),
            });
        });
    }
}

impl CodeRedeemer {
    fn purge(&self) {
        let before = self.provider.clock.now().saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        let store = self.store.clone();
        actix::spawn(async move {
            let failed = |error: &StoreError| tracing::warn!(%error, "old redeemed sign-ins were not deleted");
            // A bounded number at a time.
            while store.purge_sign_ins(before).await.inspect_err(failed).is_ok_and(|deleted| deleted > 0) {}
        });
    }
}

/// Notes that the sign-in of this state is redeemed now.
async fn mark(store: &Store, state: &str, now: Timestamp) -> Result<(), SignInFault> {
    let redeemed = store.redeem_sign_in(crypto::sha256(&[state.as_bytes()]), now).await;
    match redeemed.inspect_err(|error| tracing::error!(%error, "the store failed")) {
        Ok(Redemption::First) => Ok(()),
        Ok(Redemption::Repeated) => Err(SignInFault::UsedBefore),
        Ok(Redemption::NoRoom) | Err(_) => Err(SignInFault::Unavailable),
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
        let vouched = self.verify(&answer, &redeem.nonce).await.map_err(|fault| {
            tracing::warn!(issuer = &*self.client.issuer, %fault, "an ID token of the provider is not accepted");
            SignInFault::InvalidIdToken(fault)
        })?;
        let userinfo = self.userinfo(&endpoints, &answer, &vouched).await?;
        vouched.signed_in(&self.client.username_claim, userinfo.as_ref()).map_err(|error| {
            tracing::warn!(issuer = &*self.client.issuer, %error, "the claims of a user cannot be read");
            match error {
                NotVouched::OtherSubject => SignInFault::OtherSubject,
                NotVouched::Elsewhere(_) => SignInFault::ClaimElsewhere,
            }
        })
    }

    /// What the userinfo endpoint says, if a claim is missing that the mapping reads, and the provider has such an endpoint. One that
    /// gives no answer ends the sign-in: a role that cannot be read now is not one that was taken away.
    async fn userinfo(
        &self,
        endpoints: &Endpoints,
        answer: &TokenAnswer,
        vouched: &Vouched,
    ) -> Result<Option<UserInfo>, SignInFault> {
        let asked = endpoints.userinfo.as_deref().zip(answer.access_token.as_ref());
        let Some((url, token)) = asked.filter(|_| vouched.lacks_claims(&self.client.username_claim)) else {
            return Ok(None);
        };
        let issuer = &*self.client.issuer;
        let json = self.http.fetch_with(url, token).await.map_err(|error| {
            tracing::warn!(issuer, %error, "the userinfo endpoint gave no claims");
            match error {
                FetchError::Status(400..=499) => SignInFault::RefusedByProvider,
                _ => SignInFault::ProviderUnavailable,
            }
        })?;
        UserInfo::read(&json).map(Some).map_err(|error| {
            tracing::warn!(issuer, %error, "the userinfo endpoint gave no claims");
            SignInFault::ProviderUnavailable
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
    async fn verify(&self, answer: &TokenAnswer, nonce: &str) -> Result<Vouched, IdTokenFault> {
        let issuer = &self.client.issuer;
        let token = OutsideToken::read(&answer.id_token)?;
        let access_token = answer.access_token.as_ref().map(|token| token.as_str());
        let expected = Expected { nonce, access_token };
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
    type Blueprint = Store;
    type Error = Infallible;

    /// Starts the redeemer on this arbiter and keeps it running.
    async fn start_here(&self, roster: &Roster, store: Store) -> Result<(), Infallible> {
        let provider = self.provider.clone();
        let build = move |lifeline| {
            let redeemer = CodeRedeemer { provider: provider.clone(), store: store.clone(), _lifeline: lifeline };
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
        (client, http): (Client, JwksClient),
        (verifier, keys): (Snapshot<OutsideVerifier>, OutsideKeys),
        clock: Clock,
    ) -> Self {
        let provider = Provider { http, client: Arc::new(client), verifier, keys, clock };
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

    /// Redeems a code; of two with one state only the first, over all replicas.
    pub async fn redeem(&self, redeem: Redeem) -> Result<Result<SignedIn, SignInFault>, NoAnswer> {
        self.handle.ask(redeem).await
    }

    /// The typed handle under this one.
    pub const fn handle(&self) -> &Handle<CodeRedeemer> {
        &self.handle
    }
}
