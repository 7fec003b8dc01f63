//! TLS to an upstream that has authorities, a certificate or a name of its own, from the files that its entry names.

use super::{Fault, Pair, authorities, files};
use crate::{
    clock::Clock,
    config::{Config, ConfigError, peer::PeerFiles, routing::UpstreamEntry},
    crypto,
    upstream::{NoTls, OwnTls},
};

/// How handshakes with the upstream at this place of the list are made; `None`: as with all others. Every call reads the
/// files again.
pub(in crate::app) fn to_upstream(
    config: &Config,
    (index, entry): (usize, &UpstreamEntry),
) -> Result<Option<OwnTls>, ConfigError> {
    let files = entry.peer_files(index);
    let is_own = files.authorities.is_some() || files.identity.is_some() || entry.own_host().is_some();
    if !entry.is_tls() || !is_own {
        return Ok(None);
    }
    made(&files, (index, entry)).map(Some).map_err(|fault| config.blame(fault.key, fault.reason))
}

/// How handshakes with an upstream that names no file are made: with a name of its own, or as with all others.
pub(in crate::app) fn to_named(entry: &UpstreamEntry) -> Result<Option<OwnTls>, (&'static str, String)> {
    if !entry.is_tls() || entry.own_host().is_none() {
        return Ok(None);
    }
    let files = PeerFiles { authorities: None, identity: None };
    made(&files, (0, entry)).map(Some).map_err(|fault| ("host", fault.reason))
}

fn made(files: &PeerFiles, (index, entry): (usize, &UpstreamEntry)) -> Result<OwnTls, Fault> {
    let mut digests = vec![];
    let mut read = |file| {
        let text = files::read(file)?;
        digests.push(crypto::sha256(&[&text]));
        Ok::<_, Fault>(text)
    };
    let roots = files.authorities.as_ref().map(|file| authorities(file, &read(file)?)).transpose()?;
    let identity = files.identity.as_ref().map(|[certificate, key]| {
        let (certificates, secret) = (read(certificate)?, read(key)?);
        let pair = Pair::read(&certificates, &secret, Clock::system().now());
        pair.map(|pair| pair.certified).map_err(|bad| Fault::of_pair(bad, (certificate, key)))
    });
    let identity = identity.transpose()?;
    // Which of the files there are is part of it.
    digests.push(crypto::sha256(&[format!("{files:?} {}", entry.host).as_bytes()]));
    let digest = crypto::sha256(&digests.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>());
    OwnTls::new(roots, identity, entry.own_host().map(name_in), digest).map_err(|why| {
        let field = match why {
            NoTls::Name => "host",
            NoTls::Anchors => "ca_file",
        };
        Fault { key: format!("upstreams[{index}].{field}"), reason: why.to_string() }
    })
}

/// The name or address of a host, without its port.
fn name_in(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}
