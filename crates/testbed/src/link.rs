//! A loopback TCP proxy in front of one address, which can be cut.
//!
//! ```text
//!  client ──► listener ──► pump: read ─► wait while cut ─► write ──► target
//!         ◄──              pump: write ◄─ wait while cut ◄─ read ◄──
//! ```
//!
//! A cut link behaves like a dead switch: nothing arrives, nothing is refused, nothing is closed.
//! Data already in the socket buffers of the far side still arrives.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// More connections than the clients of one broker open; further ones are closed at once.
const CONNECTIONS_MAX: usize = 512;
/// Bytes held back per direction of a connection while the link is cut.
const CHUNK_BYTES: usize = 16 << 10;
/// A local target accepts or refuses at once, unless it is stopped.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A loopback TCP proxy in front of one address. Clones share the proxy; it stops and closes its
/// connections when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Link(Arc<Proxy>);

#[derive(Debug)]
struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Link {
    /// Starts a proxy on a free port. `target` need not listen yet.
    pub fn start(target: SocketAddr) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("starting a link to {target}: {error}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared =
            Arc::new(Shared { target, state: Mutex::default(), changed: Condvar::default() });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = thread::Builder::new()
            .name(format!("link-{}", address.port()))
            .spawn(move || for_acceptor.accept(&listener))
            .map_err(failed)?;
        Ok(Self(Arc::new(Proxy { address, shared, acceptor: Some(acceptor) })))
    }

    /// The address to which clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Turns the link into a black hole: nothing passes in either direction, nothing is closed, and
    /// new connections hang.
    pub fn cut(&self) {
        self.0.shared.state().cut = true;
    }

    /// Restores the link and delivers what was held back.
    pub fn heal(&self) {
        self.0.shared.state().cut = false;
        self.0.shared.changed.notify_all();
    }

    /// Closes every connection at once; new ones are accepted. A cut link stays cut.
    pub fn reset(&self) {
        self.0.shared.state().close_all();
        self.0.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        {
            let mut state = self.shared.state();
            state.stopped = true;
            state.close_all();
        }
        self.shared.changed.notify_all();
        // Wakes the acceptor, which then sees that the link has stopped.
        let woken = TcpStream::connect_timeout(&self.address, CONNECT_TIMEOUT);
        if let (Ok(_), Some(acceptor)) = (woken, self.acceptor.take()) {
            // A panic of the acceptor does not matter any more.
            let _ = acceptor.join();
        }
    }
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    cut: bool,
    stopped: bool,
    next: u64,
    /// The open connections by id: the client's stream and, once connected, the target's.
    connections: BTreeMap<u64, Vec<TcpStream>>,
}

impl State {
    fn close_all(&mut self) {
        for stream in std::mem::take(&mut self.connections).into_values().flatten() {
            // The peer may have closed it already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for client in listener.incoming() {
            if self.state().stopped {
                return;
            }
            // The client aborted the connection before it was accepted.
            let Ok(client) = client else { continue };
            let Some(id) = self.register(&client) else { continue };
            let shared = Arc::clone(self);
            let name = format!("link-{}-{id}", self.target.port());
            let served = thread::Builder::new().name(name).spawn(move || {
                // An error closes this connection, as the client of a proxy expects.
                let _ = shared.serve(&client, id);
                shared.close(id);
            });
            if served.is_err() {
                self.close(id);
            }
        }
    }

    /// Registers a new connection and returns its id, if the limit permits.
    fn register(&self, client: &TcpStream) -> Option<u64> {
        let client = client.try_clone().ok()?;
        let mut state = self.state();
        if state.stopped || state.connections.len() >= CONNECTIONS_MAX {
            return None;
        }
        let id = state.next;
        state.next += 1;
        state.connections.insert(id, vec![client]);
        Some(id)
    }

    fn close(&self, id: u64) {
        for stream in self.state().connections.remove(&id).unwrap_or_default() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Serves one connection until it is closed.
    fn serve(self: &Arc<Self>, client: &TcpStream, id: u64) -> std::io::Result<()> {
        if !self.wait_while_cut(id) {
            return Ok(());
        }
        let server = TcpStream::connect_timeout(&self.target, CONNECT_TIMEOUT)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        match self.state().connections.get_mut(&id) {
            Some(streams) => streams.push(server.try_clone()?),
            // Closed by `reset` in the meantime.
            None => return Ok(()),
        }
        let (from, to) = (server.try_clone()?, client.try_clone()?);
        let shared = Arc::clone(self);
        let back = thread::Builder::new().spawn(move || shared.pump(&from, &to, id))?;
        self.pump(client, &server, id);
        // The connection is open until both directions are closed.
        let _ = back.join();
        Ok(())
    }

    /// Copies one direction until end of file, and then propagates it.
    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream, id: u64) {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = from.read(&mut chunk);
            // A close must not pass a cut link either.
            if !self.wait_while_cut(id) {
                return;
            }
            match read {
                Ok(0) => {
                    let _ = to.shutdown(Shutdown::Write);
                    return;
                }
                Ok(count) if to.write_all(&chunk[..count]).is_ok() => {}
                _ => return self.close(id),
            }
        }
    }

    /// Waits while the link is cut; false if the connection was closed.
    fn wait_while_cut(&self, id: u64) -> bool {
        let waiting = |state: &mut State| state.cut && state.connections.contains_key(&id);
        let state = self.changed.wait_while(self.state(), waiting);
        state.unwrap_or_else(PoisonError::into_inner).connections.contains_key(&id)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::Link;

    const SOON: Duration = Duration::from_secs(30);
    /// Long enough for a local echo to arrive unless it is held back.
    const SILENCE: Duration = Duration::from_millis(200);

    /// A link to an echo server.
    fn to_echo_server() -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let mut back = stream.try_clone().unwrap();
                    let _ = std::io::copy(&mut stream, &mut back);
                });
            }
        });
        Link::start(address).unwrap()
    }

    fn client(link: &Link) -> TcpStream {
        let client = TcpStream::connect(link.address()).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        client
    }

    fn echoes(client: &mut TcpStream, text: &str) {
        client.write_all(text.as_bytes()).unwrap();
        expect(client, text);
    }

    fn expect(client: &mut TcpStream, text: &str) {
        let mut echo = vec![0; text.len()];
        client.read_exact(&mut echo).unwrap();
        assert_eq!(echo, text.as_bytes());
    }

    fn receives_nothing(client: &mut TcpStream) {
        client.set_read_timeout(Some(SILENCE)).unwrap();
        let kind = client.read(&mut [0]).unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind}");
        client.set_read_timeout(Some(SOON)).unwrap();
    }

    #[test]
    fn cut_link_delays_data_until_healed() {
        let link = to_echo_server();
        let mut old = client(&link);
        echoes(&mut old, "before");
        link.cut();
        old.write_all(b"during").unwrap();
        let mut new = client(&link);
        new.write_all(b"from a new one").unwrap();
        receives_nothing(&mut old);
        receives_nothing(&mut new);
        link.heal();
        expect(&mut old, "during");
        expect(&mut new, "from a new one");
        echoes(&mut old, "after");
    }

    #[test]
    fn cut_link_delays_a_close() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = Link::start(listener.local_addr().unwrap()).unwrap();
        let mut client = client(&link);
        client.write_all(b"x").unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.read_exact(&mut [0]).unwrap();
        link.cut();
        drop(server);
        receives_nothing(&mut client);
        link.heal();
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    }

    #[test]
    fn reset_closes_connections_and_accepts_new_ones() {
        let link = to_echo_server();
        let mut old = client(&link);
        echoes(&mut old, "before");
        link.reset();
        assert_eq!(old.read(&mut [0]).unwrap_or(0), 0);
        echoes(&mut client(&link), "after");
    }

    #[test]
    fn large_transfer_arrives_complete_and_in_order() {
        let link = to_echo_server();
        let sent: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 251) as u8).collect();
        let mut writer = client(&link);
        let mut reader = writer.try_clone().unwrap();
        let expected = sent.clone();
        let received = std::thread::spawn(move || {
            let mut received = vec![0; expected.len()];
            reader.read_exact(&mut received).unwrap();
            assert!(received == expected);
        });
        writer.write_all(&sent).unwrap();
        received.join().unwrap();
    }

    #[test]
    fn dropped_link_closes_connections_and_refuses_new_ones() {
        let link = to_echo_server();
        let address = link.address();
        let mut open = client(&link);
        echoes(&mut open, "before");
        link.cut();
        drop(link);
        assert_eq!(open.read(&mut [0]).unwrap_or(0), 0);
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn unreachable_target_closes_the_connection() {
        let unused = SocketAddr::from(([127, 0, 0, 1], 1));
        let link = Link::start(unused).unwrap();
        assert_eq!(client(&link).read(&mut [0]).unwrap_or(0), 0);
    }
}
