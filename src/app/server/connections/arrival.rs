//! What happens to a connection before its first request: a proxy's word on who the client is, its place, and its
//! handshake where the listener speaks TLS.

use std::{io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use actix_web::rt::net::TcpStream;
use ipnet::IpNet;
use tokio::{io::AsyncReadExt, sync::Semaphore, time::timeout};
use tokio_rustls::TlsAcceptor;

use super::{
    addresses::{AddressSlot, Addresses},
    socket::Socket,
    tally::Tally,
};
use crate::{
    app::tls::{self, Tls},
    domain::{
        forwarded,
        proxy_header::{self, Progress, Source},
    },
    pipeline::connection::Transport,
};

/// What connections are let in by, on all workers.
#[derive(Clone)]
pub(in crate::app::server) struct Door {
    /// Whose word on who the client is comes first on each connection; `None`: nobody's.
    pub proxies: Option<Proxies>,
    pub addresses: Addresses,
    /// `None`: plain HTTP.
    pub tls: Option<Handshakes>,
}

/// The proxies that speak the PROXY protocol.
#[derive(Clone)]
pub(in crate::app::server) struct Proxies {
    pub trusted: Arc<[IpNet]>,
    /// For a header.
    pub limit: Duration,
}

/// How handshakes are made and bounded.
#[derive(Clone)]
pub(in crate::app::server) struct Handshakes {
    pub tls: Tls,
    /// For a handshake with its wait for a place.
    pub limit: Duration,
    /// At a time on one worker.
    pub max: usize,
    /// Those under way of each address, on all workers.
    pub addresses: Addresses,
}

/// One worker's door.
pub(super) struct Entrance {
    door: Door,
    places: Semaphore,
    tally: Rc<Tally>,
}

/// A connection whose first request may come.
pub(super) struct Arrived {
    pub socket: Socket,
    pub peer: SocketAddr,
    pub transport: Transport,
    pub slot: AddressSlot,
    /// HTTP came where TLS is spoken: the one answer says so.
    pub lacks_tls: bool,
}

impl Entrance {
    /// The door of a worker; what it turns away is counted.
    pub fn new(door: Door, tally: Rc<Tally>) -> Self {
        let max = door.tls.as_ref().map_or(0, |handshakes| handshakes.max);
        Self { door, places: Semaphore::new(max), tally }
    }

    /// Lets a connection in, or drops it: it is gone already, its address has too many, or it makes no handshake.
    pub async fn let_in(&self, mut stream: TcpStream) -> Option<Arrived> {
        let peer = stream.peer_addr().ok()?;
        // Without it answers wait for acknowledgements; where it fails they do.
        drop(stream.set_nodelay(true));
        let peer = match &self.door.proxies {
            None => peer,
            Some(proxies) => self.introduce(proxies, &mut stream, peer).await?,
        };
        let slot = self.enter(&self.door.addresses, peer)?;
        let Some(handshakes) = &self.door.tls else {
            let (socket, transport) = (Socket::Plain(stream), Transport::Plain);
            return Some(Arrived { socket, peer, transport, slot, lacks_tls: false });
        };
        let _under_way = self.enter(&handshakes.addresses, peer)?;
        match timeout(handshakes.limit, self.shake_hands(handshakes, stream)).await {
            Ok(Ok((socket, transport))) => {
                let lacks_tls = matches!(socket, Socket::Plain(_));
                if lacks_tls {
                    let error = io::Error::other("HTTP came without TLS; the URL must begin with https://");
                    self.tally.failed("tls-handshake", peer, &error);
                }
                Some(Arrived { socket, peer, transport, slot, lacks_tls })
            }
            Ok(Err(error)) => {
                self.tally.failed("tls-handshake", peer, &error);
                None
            }
            Err(_) => {
                self.tally.refused("slow-handshake", peer);
                None
            }
        }
    }

    /// Who the proxy at `peer` says is the client.
    async fn introduce(&self, proxies: &Proxies, stream: &mut TcpStream, peer: SocketAddr) -> Option<SocketAddr> {
        let address = peer.ip().to_canonical();
        let is_trusted = forwarded::is_trusted(address, &proxies.trusted);
        // What runs on this machine may ask whether the gateway is ready, and claim nothing.
        if !is_trusted && !address.is_loopback() {
            self.tally.refused("untrusted-proxy", peer);
            return None;
        }
        match timeout(proxies.limit, read_header(stream)).await {
            Ok(Ok(Source::Peer)) => Some(peer),
            Ok(Ok(Source::Client(client))) if is_trusted => Some(client),
            Ok(Ok(Source::Client(_))) => {
                self.tally.refused("untrusted-proxy", peer);
                None
            }
            Ok(Err(error)) => {
                self.tally.failed("proxy-header", peer, &error);
                None
            }
            Err(_) => {
                self.tally.refused("slow-proxy-header", peer);
                None
            }
        }
    }

    fn enter(&self, addresses: &Addresses, peer: SocketAddr) -> Option<AddressSlot> {
        let slot = addresses.enter(peer.ip());
        if slot.is_none() {
            self.tally.refused("address", peer);
        }
        slot
    }

    /// A plain socket is given back where a request comes in place of a handshake.
    async fn shake_hands(&self, handshakes: &Handshakes, stream: TcpStream) -> io::Result<(Socket, Transport)> {
        if begins_with_method(&stream).await? {
            return Ok((Socket::Plain(stream), Transport::Plain));
        }
        // A handshake that makes others wait costs computing, not only memory.
        let _place = self.places.acquire().await.map_err(io::Error::other)?;
        let stream = TlsAcceptor::from(handshakes.tls.config()).accept(stream).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let client_certificate = certificates.and_then(<[_]>::first).and_then(tls::subject_of).map(Arc::from);
        Ok((Socket::Tls(Box::new(stream)), Transport::Tls { client_certificate }))
    }
}

/// Whether the first byte is a letter, as methods begin (RFC 9110 §9.1); a handshake begins with the byte 22 (RFC 8446 §5.1).
async fn begins_with_method(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let length = stream.peek(&mut first).await?;
    let [first] = first;
    Ok(length > 0 && first.is_ascii_uppercase())
}

/// Reads a header and not one byte more: what follows is for TLS, or for the HTTP library.
async fn read_header(stream: &mut TcpStream) -> io::Result<Source> {
    let mut bytes = vec![];
    loop {
        match proxy_header::read(&bytes).map_err(io::Error::other)? {
            Progress::Done(source) => return Ok(source),
            Progress::Needs(more) => {
                let here = bytes.len();
                bytes.resize(here.saturating_add(more), 0);
                stream.read_exact(bytes.get_mut(here..).unwrap_or_default()).await?;
            }
        }
    }
}
