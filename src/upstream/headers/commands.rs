//! Header fields of an answer that are commands to the proxy in front of the gateway: it would send another file or URL than the
//! one that the gateway has authorised, or treat the gateway as out of order. An upstream cannot know that proxy.

/// Whether a proxy in front may do what this says.
pub(super) fn is_command(name: &str) -> bool {
    name.starts_with(START)
        && (COMMANDS.binary_search(&name).is_ok()
            || (name.starts_with(NGINX) && name != BUFFERING)
            || COMMAND_STARTS.iter().any(|start| name.starts_with(start)))
}

/// What all of them begin with: most names of headers need no further look.
pub(super) const START: &str = "x-";

/// What nginx reads as commands; that of them which says whether an answer is buffered is about the answer alone, and streams need it.
const NGINX: &str = "x-accel-";
const BUFFERING: &str = "x-accel-buffering";

/// In alphabetical order: of App Engine (its blobs), Envoy (which takes a gateway out of service), lighttpd and `LiteSpeed`.
pub(super) const COMMANDS: [&str; 6] = [
    "x-appengine-blobkey",
    "x-envoy-degraded",
    "x-envoy-immediate-health-check-fail",
    "x-lighttpd-send-file",
    "x-lighttpd-send-tempfile",
    "x-litespeed-location",
];

/// `X-Sendfile`, `-2` and `-Temporary` (Apache, lighttpd, Cherokee); `X-Reproxy-URL` and `-File` (Perlbal, H2O, Apache).
pub(super) const COMMAND_STARTS: [&str; 2] = ["x-reproxy-", "x-sendfile"];
