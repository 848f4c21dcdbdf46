//! Link: a loopback TCP proxy in front of one address, that can be cut.
//!
//! ```text
//!  client ──► listener ──► pump: read ─► wait while cut ─► write ──► target
//!         ◄──              pump: write ◄─ wait while cut ◄─ read ◄──
//! ```
//!
//! A cut link is what a switch that has died looks like: nothing arrives, nothing is refused,
//! nothing is closed. What the systems' socket buffers on the far side hold already still arrives.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// More connections than clients of one broker have; one more is closed at once.
const CONNECTIONS_MAX: usize = 512;
/// What one direction of one connection holds back at most while the link is cut.
const CHUNK_BYTES: usize = 16 << 10;
/// A target on this machine answers or refuses at once, unless it is stopped.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A loopback TCP proxy in front of one address. Clones are the same proxy; it ends, with its
/// connections, when the last of them is dropped.
#[derive(Clone, Debug)]
pub struct Link(Arc<Proxy>);

#[derive(Debug)]
struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Link {
    /// Starts a proxy on a port of its own. `target` need not listen yet.
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

    /// Where clients connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Makes it a black hole: nothing passes in either direction, nothing is closed, and new
    /// connections hang.
    pub fn cut(&self) {
        self.0.shared.state().cut = true;
    }

    /// Lets everything pass again, first of all what was held back.
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
            state.ended = true;
            state.close_all();
        }
        self.shared.changed.notify_all();
        // Wakes the acceptor, which then sees that the link has ended.
        let woken = TcpStream::connect_timeout(&self.address, CONNECT_MAX);
        if let (Ok(_), Some(acceptor)) = (woken, self.acceptor.take()) {
            // It cannot have panicked with anything that matters now.
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
    ended: bool,
    next: u64,
    /// The open connections by number: the client's side and, once connected, the target's.
    connections: BTreeMap<u64, Vec<TcpStream>>,
}

impl State {
    fn close_all(&mut self) {
        for stream in std::mem::take(&mut self.connections).into_values().flatten() {
            // The peer may have closed it before.
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
            if self.state().ended {
                return;
            }
            // A connection that was given up before it was taken is no concern of ours.
            let Ok(client) = client else { continue };
            let Some(number) = self.admit(&client) else { continue };
            let shared = Arc::clone(self);
            let name = format!("link-{}-{number}", self.target.port());
            let served = thread::Builder::new().name(name).spawn(move || {
                // An error ends this connection, which is what a proxy does with it.
                let _ = shared.serve(&client, number);
                shared.close(number);
            });
            if served.is_err() {
                self.close(number);
            }
        }
    }

    /// A number for a new connection, if there is room for it.
    fn admit(&self, client: &TcpStream) -> Option<u64> {
        let client = client.try_clone().ok()?;
        let mut state = self.state();
        if state.ended || state.connections.len() >= CONNECTIONS_MAX {
            return None;
        }
        let number = state.next;
        state.next += 1;
        state.connections.insert(number, vec![client]);
        Some(number)
    }

    fn close(&self, number: u64) {
        for stream in self.state().connections.remove(&number).unwrap_or_default() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// One connection, from its target's answer to its end.
    fn serve(self: &Arc<Self>, client: &TcpStream, number: u64) -> std::io::Result<()> {
        if !self.may_pass(number) {
            return Ok(());
        }
        let server = TcpStream::connect_timeout(&self.target, CONNECT_MAX)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        match self.state().connections.get_mut(&number) {
            Some(streams) => streams.push(server.try_clone()?),
            // Reset in the meantime.
            None => return Ok(()),
        }
        let (from, to) = (server.try_clone()?, client.try_clone()?);
        let shared = Arc::clone(self);
        let back = thread::Builder::new().spawn(move || shared.pump(&from, &to, number))?;
        self.pump(client, &server, number);
        // The connection is open until both directions have ended.
        let _ = back.join();
        Ok(())
    }

    /// Carries bytes in one direction to the end, and then the end.
    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream, number: u64) {
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = from.read(&mut chunk);
            // Also the end of a connection must not pass a cut link.
            if !self.may_pass(number) {
                return;
            }
            match read {
                Ok(0) => {
                    let _ = to.shutdown(Shutdown::Write);
                    return;
                }
                Ok(count) if to.write_all(&chunk[..count]).is_ok() => {}
                _ => return self.close(number),
            }
        }
    }

    /// Waits while the link is cut; false if the connection has been closed.
    fn may_pass(&self, number: u64) -> bool {
        let waiting = |state: &mut State| state.cut && state.connections.contains_key(&number);
        let state = self.changed.wait_while(self.state(), waiting);
        state.unwrap_or_else(PoisonError::into_inner).connections.contains_key(&number)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::Link;

    const SOON: Duration = Duration::from_secs(30);
    /// Long enough for an echo on this machine to arrive if it is not held back.
    const SILENCE: Duration = Duration::from_millis(200);

    /// A link to a server that sends back what it gets.
    fn to_echo() -> Link {
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

    fn hears_nothing(client: &mut TcpStream) {
        client.set_read_timeout(Some(SILENCE)).unwrap();
        let kind = client.read(&mut [0]).unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind}");
        client.set_read_timeout(Some(SOON)).unwrap();
    }

    #[test]
    fn a_cut_link_holds_everything_back_and_a_healed_one_delivers_it() {
        let link = to_echo();
        let mut old = client(&link);
        echoes(&mut old, "before");
        link.cut();
        old.write_all(b"during").unwrap();
        let mut new = client(&link);
        new.write_all(b"from a new one").unwrap();
        hears_nothing(&mut old);
        hears_nothing(&mut new);
        link.heal();
        expect(&mut old, "during");
        expect(&mut new, "from a new one");
        echoes(&mut old, "after");
    }

    #[test]
    fn the_end_of_a_connection_does_not_pass_a_cut_link() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = Link::start(listener.local_addr().unwrap()).unwrap();
        let mut client = client(&link);
        client.write_all(b"x").unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.read_exact(&mut [0]).unwrap();
        link.cut();
        drop(server);
        hears_nothing(&mut client);
        link.heal();
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    }

    #[test]
    fn a_reset_closes_what_is_open_and_takes_new_connections() {
        let link = to_echo();
        let mut old = client(&link);
        echoes(&mut old, "before");
        link.reset();
        assert_eq!(old.read(&mut [0]).unwrap_or(0), 0);
        echoes(&mut client(&link), "after");
    }

    #[test]
    fn large_amounts_arrive_whole_and_in_order() {
        let link = to_echo();
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
    fn a_dropped_link_closes_and_refuses() {
        let link = to_echo();
        let address = link.address();
        let mut open = client(&link);
        echoes(&mut open, "before");
        link.cut();
        drop(link);
        assert_eq!(open.read(&mut [0]).unwrap_or(0), 0);
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn a_target_that_does_not_listen_closes_the_connection() {
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let link = Link::start(nobody).unwrap();
        assert_eq!(client(&link).read(&mut [0]).unwrap_or(0), 0);
    }
}
