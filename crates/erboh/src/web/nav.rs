//! The links at the top of every page. Both services show the same ones, so that people walk
//! between them as within one site; each also has an API page of its own.

/// Pages of the producer, as their links are read.
const PRODUCER: [(&str, &str); 3] =
    [("/", "Generate"), ("/rate", "Rate"), ("/simulations", "Simulate")];

/// The links as one page shows them.
#[derive(Debug)]
pub struct Nav {
    /// The links, in the order in which they stand.
    pub links: Vec<Link>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub url: String,
    /// What it is called.
    pub text: &'static str,
    /// Whether this is the page that shows it.
    pub current: bool,
}

impl Nav {
    /// For the producer's page at the path `current`; `board_url` is where browsers find the board.
    #[must_use]
    pub fn of_producer(current: &str, board_url: Option<&str>) -> Self {
        let mut links = producer_links("", current);
        links.extend(board_url.map(|url| Link::new(url.to_owned(), "Board", false)));
        links.push(Link::new("/api".to_owned(), "API", current == "/api"));
        Self { links }
    }

    /// For the board's page at the path `current`; `producer_url` is where browsers find the
    /// producer.
    #[must_use]
    pub fn of_board(current: &str, producer_url: Option<&str>) -> Self {
        // No path of the producer is the current page here.
        let base = |url: &str| producer_links(url.trim_end_matches('/'), "");
        let mut links = producer_url.map(base).unwrap_or_default();
        links.push(Link::new("/".to_owned(), "Board", current == "/"));
        links.push(Link::new("/api".to_owned(), "API", current == "/api"));
        Self { links }
    }
}

impl Link {
    fn new(url: String, text: &'static str, current: bool) -> Self {
        Self { url, text, current }
    }
}

fn producer_links(base: &str, current: &str) -> Vec<Link> {
    let link = |(path, text)| Link::new(format!("{base}{path}"), text, path == current);
    PRODUCER.into_iter().map(link).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(nav: &Nav, expected: &[(&str, &str, bool)]) {
        let links = nav.links.iter().map(|link| (&*link.url, link.text, link.current));
        assert_eq!(links.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn both_services_show_the_same_links() {
        let of_producer = Nav::of_producer("/rate", Some("http://b.example/"));
        let expected = [
            ("/", "Generate", false),
            ("/rate", "Rate", true),
            ("/simulations", "Simulate", false),
            ("http://b.example/", "Board", false),
            ("/api", "API", false),
        ];
        check(&of_producer, &expected);
        let expected = [
            ("http://p.example/", "Generate", false),
            ("http://p.example/rate", "Rate", false),
            ("http://p.example/simulations", "Simulate", false),
            ("/", "Board", true),
            ("/api", "API", false),
        ];
        for url in ["http://p.example", "http://p.example/"] {
            check(&Nav::of_board("/", Some(url)), &expected);
        }
    }

    #[test]
    fn a_service_that_is_not_known_is_not_linked_to() {
        check(&Nav::of_board("/api", None), &[("/", "Board", false), ("/api", "API", true)]);
        assert_eq!(Nav::of_producer("/", None).links.len(), 4);
    }
}
