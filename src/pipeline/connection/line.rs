//! What a head says that the HTTP library does not tell, as it is noted while its bytes pass.

/// The version at the end of a request line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineVersion {
    /// There is none, or the line has not ended.
    #[default]
    Unknown,
    /// HTTP/1.0.
    Old,
    /// HTTP/1.1, or a later minor version, which is served as that (RFC 9110 §2.5).
    Current,
    /// Of another major version.
    Other,
}

/// What is noted of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Line {
    /// The length of the request line so far.
    pub bytes: u64,
    /// Whether the target has a `#`. A fragment is never sent (RFC 9112 §3.2), and the library would cut it off.
    pub has_fragment: bool,
    pub version: LineVersion,
    pub is_post: bool,
    /// Whether a field says how the body is delimited.
    pub states_length: bool,
    /// How many fields are `Host`, once the head has come to its end.
    pub hosts: Option<u8>,
}
