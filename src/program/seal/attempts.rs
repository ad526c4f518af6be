//! Whether a program tried to reach something that its own loopback does not have. The kernel counts that for each network namespace.

use std::fs::File;
use std::io::{Read, Seek};

/// Counters of packets without a route, of refused connections and of datagrams to a port that nobody listens to.
const IPV4: [(&str, &str); 3] = [("Ip:", "OutNoRoutes"), ("Tcp:", "AttemptFails"), ("Udp:", "NoPorts")];
const IPV6: [&str; 2] = ["Ip6OutNoRoutes", "Udp6NoPorts"];

/// The counters of the network of a running program. They stay readable when the program has ended.
#[derive(Debug)]
pub struct NetworkAttempts {
    ipv4: File,
    ipv6: Option<File>,
}

impl NetworkAttempts {
    /// `None` if the program has ended already.
    pub fn of(process: u32) -> Option<NetworkAttempts> {
        let open = |name: &str| File::open(format!("/proc/{process}/net/{name}")).ok();
        Some(NetworkAttempts { ipv4: open("snmp")?, ipv6: open("snmp6") })
    }

    /// Whether an attempt failed.
    pub fn any(self) -> bool {
        let NetworkAttempts { ipv4, ipv6 } = self;
        counted_ipv4(&text(ipv4)) || ipv6.is_some_and(|file| counted_ipv6(&text(file)))
    }
}

fn text(mut file: File) -> String {
    let mut text = String::new();
    // Without the counters there is no hint, nothing else.
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
    text
}

/// Two lines for each protocol: names, then values.
fn counted_ipv4(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    lines.chunks_exact(2).any(|pair| {
        let (names, values) = (pair[0].split_whitespace(), pair[1].split_whitespace());
        let protocol = pair[0].split_whitespace().next().unwrap_or_default();
        names.zip(values).any(|(name, value)| IPV4.contains(&(protocol, name)) && value != "0")
    })
}

/// A name and a value in each line.
fn counted_ipv6(text: &str) -> bool {
    let counter =
        |line: &str| line.split_once(char::is_whitespace).map(|(name, value)| (name.to_string(), value.trim() != "0"));
    text.lines().filter_map(counter).any(|(name, counted)| counted && IPV6.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_to_reach_something_count() {
        let text = |routes: u32, opened: u32| {
            format!("Ip: Forwarding OutNoRoutes\nIp: 2 {routes}\nTcp: ActiveOpens AttemptFails\nTcp: {opened} 0\n")
        };
        assert!(!counted_ipv4(&text(0, 5)));
        assert!(counted_ipv4(&text(1, 0)));
        assert!(!counted_ipv6("Ip6InReceives 7\nIp6OutNoRoutes 0\n"));
        assert!(counted_ipv6("Ip6InReceives 7\nIp6OutNoRoutes  \t2\n"));
    }
}
