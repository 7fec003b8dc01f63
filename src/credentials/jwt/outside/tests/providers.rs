//! Access tokens as providers give them: header, claims, and the configuration with which they are accepted.
//!
//! The shapes follow the providers' documentation. All are signed with one key, because what a provider signs with is no
//! part of its shape.

use super::*;

/// A provider's token, and what is configured for it.
#[derive(Clone)]
struct Shape {
    provider: &'static str,
    header: Value,
    claims: Value,
    audience_claim: &'static str,
    role_claim: &'static str,
    roles: &'static [(&'static str, Role)],
    token_type: &'static str,
}

const AUDIENCE: &str = "tollgate";

#[test]
fn the_access_tokens_of_each_provider_are_accepted_with_their_role() {
    let f = Fixture::ed25519();
    let shapes =
        [keycloak_shapes(), enterprise_shapes(), cloud_shapes(), service_account_shapes(), self_hosted_shapes()]
            .concat();
    for shape in shapes {
        let (token, issuer) = (shape.token(&f), shape.claims["iss"].as_str().unwrap());
        let keys = keys(from_ref(&f.jwk));
        let verifier = OutsideVerifier::new([shape.trust()]).with_keys(issuer, keys);
        let accepted = verify(&verifier, &token).unwrap_or_else(|why| panic!("{}: {why:?}", shape.provider));
        assert_eq!(accepted.role, Some(Role::Admin), "{}", shape.provider);
        assert_eq!(&*accepted.identity.subject, shape.claims["sub"], "{}", shape.provider);
    }
}

impl Shape {
    fn trust(&self) -> Trust {
        Trust {
            issuer: self.claims["iss"].as_str().unwrap().into(),
            audience: AUDIENCE.into(),
            audience_claim: self.audience_claim.into(),
            role_claim: self.role_claim.into(),
            roles: self.roles.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect(),
            token_types: vec![self.token_type.into()],
            max_lifetime_s: 200_000,
            ..trust()
        }
    }

    fn token(&self, f: &Fixture) -> String {
        f.sign(&self.header.to_string(), &self.claims.to_string())
    }
}

/// A header with the key that all shapes share.
fn header(more: Value) -> Value {
    let mut header = json!({ "alg": "EdDSA", "kid": "k" });
    header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    header
}

/// Claims with the times that all shapes share.
fn claims_of(issuer: &str, more: Value) -> Value {
    let mut claims = json!({ "iss": issuer, "iat": NOW_S, "exp": NOW_S + 300 });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims
}

fn shape(provider: &'static str, role_claim: &'static str, claims: Value) -> Shape {
    let header = header(json!({ "typ": "JWT" }));
    Shape { provider, header, claims, audience_claim: "aud", role_claim, roles: &[], token_type: "JWT" }
}

fn keycloak_shapes() -> Vec<Shape> {
    let claims = |more| {
        let mut claims = claims_of("https://sso.example/realms/main", more);
        claims.as_object_mut().unwrap().extend(
            json!({
                "jti": "onrtac:5f0c", "aud": ["tollgate", "account"], "sub": "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                "typ": "Bearer", "azp": "web", "sid": "6a1b", "acr": "1", "allowed-origins": ["https://app.example"],
                "scope": "openid profile email", "nonce": "n-0S6", "auth_time": NOW_S, "email_verified": true,
            })
            .as_object()
            .unwrap()
            .clone(),
        );
        claims
    };
    vec![
        shape(
            "Keycloak, roles of the realm",
            "realm_access.roles",
            claims(json!({ "realm_access": { "roles": ["offline_access", "admin", "uma_authorization"] } })),
        ),
        shape(
            "Keycloak, roles of a client",
            "resource_access.tollgate.roles",
            claims(json!({ "resource_access": { "tollgate": { "roles": ["admin"] }, "account": { "roles": ["x"] } } })),
        ),
        shape(
            "Keycloak, a client with dots in its name",
            "resource_access.tollgate.example.com.roles",
            claims(json!({ "resource_access": { "tollgate.example.com": { "roles": ["admin", "user"] } } })),
        ),
        Shape {
            roles: &[("/gateway/admins", Role::Admin)],
            ..shape("Keycloak, groups", "groups", claims(json!({ "groups": ["/staff", "/gateway/admins"] })))
        },
    ]
}

fn enterprise_shapes() -> Vec<Shape> {
    let tenant = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
    let entra = |more| {
        let mut claims = claims_of(tenant, more);
        claims.as_object_mut().unwrap().extend(
            json!({
                "aud": "tollgate", "nbf": NOW_S, "exp": NOW_S + 100_800, "aio": "AXQAi/8TAAAA", "azp": "6e74172b",
                "azpacr": "0", "name": "Ada", "oid": "690222be", "rh": "0.AQ", "scp": "access_as_user",
                "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "tid": "72f988bf", "uti": "fqiBqXLPj0e", "ver": "2.0",
            })
            .as_object()
            .unwrap()
            .clone(),
        );
        claims
    };
    let groups = "0a3f9c4e-7d0b-4c59-9f51-0d2b7a2f7a11";
    vec![
        shape("Entra, app roles", "roles", entra(json!({ "roles": ["admin", "Task.Read"] }))),
        Shape {
            roles: &[("0a3f9c4e-7d0b-4c59-9f51-0d2b7a2f7a11", Role::Admin)],
            header: header(json!({ "typ": "JWT", "x5t": "nOo3ZDrODXEK1jKWhXslHR_KXEg" })),
            ..shape("Entra, groups by their ids", "groups", entra(json!({ "groups": [groups, "b"] })))
        },
        Shape {
            header: header(json!({})),
            token_type: "",
            roles: &[("Gateway Admins", Role::Admin)],
            ..shape(
                "Okta",
                "groups",
                claims_of(
                    "https://dev-1.okta.com/oauth2/default",
                    json!({
                        "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": "tollgate", "cid": "0oa1",
                        "uid": "00u1", "scp": ["openid", "profile"], "auth_time": NOW_S, "sub": "ada@example.com",
                        "groups": ["Everyone", "Gateway Admins"],
                    }),
                ),
            )
        },
        Shape {
            header: header(json!({
                "typ": "JWT", "jku": "https://main.authentication.eu10.hana.ondemand.com/token_keys", "jid": "x",
            })),
            roles: &[("tollgate!t123.Administrator", Role::Admin)],
            ..shape(
                "XSUAA, scopes",
                "scope",
                claims_of(
                    "https://main.authentication.eu10.hana.ondemand.com/oauth/token",
                    json!({
                        "jti": "c2f7", "ext_attr": { "enhancer": "XSUAA", "subaccountid": "a" }, "sub": "8fb2", "zid": "a",
                        "xs.system.attributes": { "xs.rolecollections": ["Gateway"] }, "grant_type": "password",
                        "scope": ["openid", "tollgate!t123.Administrator"], "client_id": "sb-tollgate!t123",
                        "cid": "sb-tollgate!t123", "azp": "sb-tollgate!t123", "rev_sig": "f", "user_name": "ada",
                        "aud": ["openid", "tollgate"],
                    }),
                ),
            )
        },
    ]
}

fn cloud_shapes() -> Vec<Shape> {
    let auth0 = |more| {
        let mut claims = claims_of("https://tenant.eu.auth0.com/", more);
        claims.as_object_mut().unwrap().extend(
            json!({
                "sub": "auth0|5f7c8ec7c33c6c004bbafe82", "aud": ["tollgate", "https://tenant.eu.auth0.com/userinfo"],
                "azp": "my_client_id", "scope": "openid profile",
            })
            .as_object()
            .unwrap()
            .clone(),
        );
        claims
    };
    let url_claim = "https://example.com/roles";
    vec![
        shape("Auth0, a claim with a URL for its name", url_claim, auth0(json!({ url_claim: ["admin"] }))),
        Shape {
            header: header(json!({ "typ": "at+jwt" })),
            token_type: "at+jwt",
            roles: &[("write:gateway", Role::Admin)],
            ..shape(
                "Auth0, permissions, profile of RFC 9068",
                "permissions",
                auth0(json!({ "permissions": ["write:gateway"], "client_id": "my_client_id", "jti": "a" })),
            )
        },
        Shape {
            header: header(json!({})),
            token_type: "",
            audience_claim: "client_id",
            ..shape(
                "Cognito",
                "cognito:groups",
                claims_of(
                    "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_example",
                    json!({
                        "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "cognito:groups": ["admin"], "version": 2,
                        "client_id": "tollgate", "origin_jti": "b", "event_id": "c", "token_use": "access",
                        "scope": "phone openid", "auth_time": NOW_S, "jti": "d", "username": "ada",
                    }),
                ),
            )
        },
    ]
}

fn service_account_shapes() -> Vec<Shape> {
    vec![
        Shape {
            roles: &[("deploy@project.iam.gserviceaccount.com", Role::Admin)],
            ..shape(
                "Google, a service account",
                "email",
                claims_of(
                    "https://accounts.google.com",
                    json!({
                        "aud": "tollgate", "azp": "104029292853099978293", "email_verified": true,
                        "email": "deploy@project.iam.gserviceaccount.com", "sub": "104029292853099978293",
                    }),
                ),
            )
        },
        Shape {
            header: header(json!({})),
            token_type: "",
            roles: &[("system:serviceaccount:ops:deployer", Role::Admin)],
            ..shape(
                "Kubernetes, a service account",
                "sub",
                claims_of(
                    "https://kubernetes.default.svc.cluster.local",
                    json!({
                        "aud": ["tollgate"], "nbf": NOW_S, "jti": "e", "sub": "system:serviceaccount:ops:deployer",
                        "kubernetes.io": { "namespace": "ops", "serviceaccount": { "name": "deployer", "uid": "f" } },
                    }),
                ),
            )
        },
    ]
}

fn self_hosted_shapes() -> Vec<Shape> {
    vec![
        shape(
            "Zitadel",
            "urn:zitadel:iam:org:project:roles",
            claims_of(
                "https://instance.zitadel.cloud",
                json!({
                    "aud": ["259254020357488641", "tollgate"], "client_id": "259254020357488641", "jti": "V2_2", "nbf": NOW_S,
                    "sub": "259242039378444290",
                    "urn:zitadel:iam:org:project:roles": { "admin": { "259241944654741506": "main.zitadel.cloud" } },
                }),
            ),
        ),
        Shape {
            roles: &[("authentik Admins", Role::Admin)],
            ..shape(
                "Authentik",
                "groups",
                claims_of(
                    "https://auth.example/application/o/tollgate/",
                    json!({
                        "aud": "tollgate", "sub": "5e2b4d", "acr": "goauthentik.io/providers/oauth2/default", "amr": ["pwd"],
                        "auth_time": NOW_S, "azp": "tollgate", "uid": "Ag5", "nonce": "n-0S6", "scope": "openid profile",
                        "preferred_username": "ada", "groups": ["authentik Admins", "everyone"],
                    }),
                ),
            )
        },
    ]
}
