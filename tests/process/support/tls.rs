//! Certificates that tests make for themselves, and clients that speak TLS.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};

use super::{Message, PATIENCE, Wire, wire::Channel};

/// An authority that vouches for servers and clients.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "the authority of a test");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// For these names of hosts, good from 2020 to a year that is far.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.signed(names, "a server", |_| {})
    }

    /// For a client with this common name.
    pub fn client(&self, name: &str) -> Identity {
        self.signed(&[], name, |_| {})
    }

    pub fn signed(&self, names: &[&str], common_name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// A client that trusts this authority, in both versions of TLS.
    pub fn trusting(&self) -> TlsClient {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        TlsClient { roots, versions: vec![&TLS13, &TLS12], protocols: vec![b"http/1.1".to_vec()], identity: None }
    }
}

impl Identity {
    /// How a server with this certificate shakes hands; with clients of this authority only, where one is given.
    pub fn serving(&self, clients: Option<&Authority>) -> Arc<ServerConfig> {
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let roots = Arc::new(authority.trusting().roots);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::new(default_provider()));
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        Arc::new(builder.with_single_cert(chain, key).unwrap())
    }

    /// Writes both files as `<name>.pem` and `<name>.key`.
    pub fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.pem")), &self.certificate).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), &self.key).unwrap();
    }
}

/// How a client shakes hands.
#[derive(Clone)]
pub struct TlsClient {
    pub roots: RootCertStore,
    pub versions: Vec<&'static SupportedProtocolVersion>,
    pub protocols: Vec<Vec<u8>>,
    pub identity: Option<Identity>,
}

/// A connection after its handshake.
pub struct TlsStream(StreamOwned<ClientConnection, TcpStream>);

impl TlsClient {
    pub fn config(&self) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder =
            builder.with_protocol_versions(&self.versions).unwrap().with_root_certificates(self.roots.clone());
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols.clone_from(&self.protocols);
        Arc::new(config)
    }

    /// Shakes hands, asking for `name`.
    pub fn connect(&self, address: SocketAddr, name: &str) -> Result<TlsStream, String> {
        TlsStream::over(&self.config(), TcpStream::connect(address).unwrap(), name)
    }

    /// Sends a request on a connection of its own and reads the answer.
    pub fn send(&self, address: SocketAddr, name: &str, bytes: impl AsRef<[u8]>) -> Message {
        let mut wire = Wire::over(self.connect(address, name).unwrap());
        wire.say(bytes);
        wire.message()
    }
}

impl TlsStream {
    /// Shakes hands on a connection that is there.
    pub fn over(config: &Arc<ClientConfig>, mut stream: TcpStream, name: &str) -> Result<Self, String> {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut tls = ClientConnection::new(Arc::clone(config), name).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut stream).map_err(|error| error.to_string())?;
        }
        Ok(Self(StreamOwned::new(tls, stream)))
    }

    pub fn tls(&self) -> &ClientConnection {
        &self.0.conn
    }

    /// The names in the certificate that was shown.
    pub fn shows(&self, identity: &Identity) -> bool {
        let shown = self.tls().peer_certificates().and_then(<[_]>::first).unwrap();
        *shown == CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()
    }
}

impl Read for TlsStream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for TlsStream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Channel for StreamOwned<ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

impl Channel for TlsStream {
    fn socket(&self) -> &TcpStream {
        &self.0.sock
    }
}
