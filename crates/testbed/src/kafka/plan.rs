//! Assignment of ports and links to the nodes of a cluster, before the first node starts.

use std::path::Path;

use super::local;
use super::node::{self, Node, Ports};
use super::settings::ClusterSettings;
use crate::{Link, ports};

/// Assigns ports and links to every node.
pub(super) fn nodes(settings: &ClusterSettings, directory: &Path) -> Result<Vec<Node>, String> {
    let per_node = 3 + settings.doors.len() + settings.links.len();
    let mut free = ports::free(per_node * settings.brokers as usize)?.into_iter();
    // `free` holds exactly as many ports as are taken here.
    let mut port = || free.next().unwrap_or_default();
    let mut nodes = Vec::new();
    for id in 1..=settings.brokers {
        let mut own = Ports {
            clients: port(),
            controller: port(),
            brokers: port(),
            doors: settings.doors.iter().map(|_| port()).collect(),
            behind_links: settings.links.iter().map(|_| port()).collect(),
        };
        if let Some(first) = settings.first_port {
            own.clients = required(first, id)?;
        }
        if !settings.has_inter_broker_listener() {
            own.brokers = own.clients;
        }
        let links = own.behind_links.iter().map(|port| Link::start(local(*port)));
        let links = links.collect::<Result<Vec<_>, String>>()?;
        nodes.push(Node::new(id, own, links, node::directory(directory, id)));
    }
    Ok(nodes)
}

/// The port that broker `id` must use.
fn required(first: u16, id: u32) -> Result<u16, String> {
    let port = u16::try_from(u32::from(first) + id - 1)
        .map_err(|_| format!("there are not enough ports from {first} upwards"))?;
    if ports::is_free(port) {
        Ok(port)
    } else {
        Err(format!("port {port} on 127.0.0.1, required by broker {id}, is taken"))
    }
}
