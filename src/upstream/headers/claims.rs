//! Header fields that an upstream would believe, and that only a proxy of its own may write.

/// Whether only a proxy of the upstream may say this.
pub(super) fn is_claim(name: &str) -> bool {
    CLAIMS.binary_search(&name).is_ok()
        || (name.starts_with(CLAIM_LETTERS) && CLAIM_STARTS.iter().any(|start| name.starts_with(start)))
        || CLAIM_ENDS.iter().any(|end| name.ends_with(end))
}

/// What only the proxies of an upstream may say, in alphabetical order; more by their shape in [`is_claim`].
///
/// Some would make it act on another path, method or host than the one that was authorised, send another file
/// (CVE-2025-61780) or leave out its own checks (CVE-2025-29927); `proxy` becomes the variable `HTTP_PROXY` of a CGI program,
/// which its HTTP client then obeys (CVE-2016-5385). Others say who the client is, or who the user is that a proxy has
/// authenticated; frameworks believe them.
pub(super) const CLAIMS: [&str; 48] = [
    "akamai-origin-hop",
    "base-url",
    "cf-access-authenticated-user-email",
    "cf-ipcountry",
    "cf-pseudo-ipv4",
    "cf-visitor",
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "fastly-ssl",
    "front-end-https",
    "proxy",
    "proxy-host",
    "request-uri",
    "true-client-port",
    "x-akamai-edgescape",
    "x-anonymous-consumer",
    "x-arr-clientcert",
    "x-arr-ssl",
    "x-auth-email",
    "x-auth-groups",
    "x-auth-roles",
    "x-azure-clientip",
    "x-azure-fdid",
    "x-azure-socketip",
    "x-client-dn",
    "x-client-verify",
    "x-coming-from",
    "x-forwarded",
    "x-host",
    "x-http-method",
    "x-istio-attributes",
    "x-jwt-payload",
    "x-matched-path",
    "x-method",
    "x-nf-client-connection-ip",
    "x-nginx-proxy",
    "x-now-route-matches",
    "x-originating-ip",
    "x-override-url",
    "x-real-port",
    "x-replaced-path",
    "x-rewrite-url",
    "x-scheme",
    "x-script-name",
    "x-source-ip",
    "x-token-subject",
    "x-url-scheme",
];

/// What names begin with that are claims whatever follows, in alphabetical order.
pub(super) const CLAIM_STARTS: [&str; 38] = [
    "cloudfront-",
    "impersonate-",
    "oidc-",
    "remote-",
    "ssl-",
    "tailscale-",
    "x-accel-",
    "x-amzn-mtls-",
    "x-amzn-oidc-",
    "x-appengine-",
    "x-auth-request-",
    "x-auth-user",
    "x-authelia-",
    "x-authenticated-",
    "x-authentik-",
    "x-client-cert",
    "x-clientcert-",
    "x-consumer-",
    "x-credential-",
    "x-envoy-",
    "x-forwarded-",
    "x-goog-authenticated-user-",
    "x-invoke-",
    "x-middleware-",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-original-",
    "x-pomerium-",
    "x-proxy-user",
    "x-proxyuser",
    "x-remote-",
    "x-sendfile",
    "x-ssl-",
    "x-tls-client-",
    "x-token-user-",
    "x-vercel-ip-",
    "x-vouch-",
    "x-webauth-",
];

/// The letters that these begin with: most names of headers need no further look.
pub(super) const CLAIM_LETTERS: [char; 7] = ['c', 'i', 'o', 'r', 's', 't', 'x'];

/// The last words of names that are claims whatever stands before.
pub(super) const CLAIM_ENDS: [&str; 6] =
    ["-client-ip", "-connecting-ip", "-connecting-ipv6", "-forwarded-for", "-override", "-userinfo"];
