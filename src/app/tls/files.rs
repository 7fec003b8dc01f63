//! The files that the TLS of the listener is made of.

use std::fs;

use zeroize::Zeroizing;

use super::Fault;
use crate::{
    config::{named_file::NamedFile, sections::Server},
    crypto,
};

/// The longest file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Which files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sources {
    pub pairs: Vec<[NamedFile; 2]>,
    pub client_ca: Option<NamedFile>,
}

/// What is in them, in the order of [`Sources`].
pub(super) struct Files {
    pub pairs: Vec<[Text; 2]>,
    pub client_ca: Option<Text>,
}

/// It may be a private key.
type Text = Zeroizing<Vec<u8>>;

impl Sources {
    /// The files that the configuration names.
    pub fn of(server: &Server) -> Self {
        Self { pairs: server.tls_pairs(), client_ca: server.tls_client_ca() }
    }

    /// Whether there is no certificate, and so no TLS.
    pub const fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// What is in them now.
    pub fn read(&self) -> Result<Files, Fault> {
        let pairs = self.pairs.iter().map(|[certificate, key]| Ok([read(certificate)?, read(key)?]));
        Ok(Files {
            pairs: pairs.collect::<Result<_, Fault>>()?,
            client_ca: self.client_ca.as_ref().map(read).transpose()?,
        })
    }
}

impl Files {
    /// Of all that was read, in its order.
    pub fn digest(&self) -> [u8; 32] {
        let texts = self.pairs.iter().flatten().chain(&self.client_ca);
        let digests: Vec<[u8; 32]> = texts.map(|text| crypto::sha256(&[text])).collect();
        crypto::sha256(&digests.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
    }
}

pub(super) fn read(file: &NamedFile) -> Result<Text, Fault> {
    let length = fs::metadata(&file.path).map_err(|error| unreadable(file, &error))?.len();
    if length > MAX_BYTES {
        return Err(Fault::new(file, format!("has more than {MAX_BYTES} bytes")));
    }
    let mut text = fs::read(&file.path).map(Zeroizing::new).map_err(|error| unreadable(file, &error))?;
    // An editor's mark before PEM is none of it.
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(text)
}

fn unreadable(file: &NamedFile, error: &std::io::Error) -> Fault {
    Fault::new(file, format!("cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "\u{feff}-----BEGIN").unwrap();
        let named = NamedFile { key: "k".into(), path: file.path().to_owned() };
        assert_eq!(read(&named).unwrap().as_slice(), b"-----BEGIN");
    }
}
