//! The catalogue: the voices under research and the battles they perform, from one data file.
//!
//! The catalogue is what simulated researchers choose from and what the board lists before anything is rated. Ratings
//! may name other voices and battles; those count just the same.

use std::sync::LazyLock;

use super::{Battle, Voice};

/// `[voices]` and `[battles]`, each followed by one name a line.
const TEXT: &str = include_str!("catalogue.txt");

struct Catalogue {
    voices: Vec<Voice>,
    battles: Vec<Battle>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue {
    voices: section("[voices]").map(Voice::checked).collect(),
    battles: section("[battles]").map(Battle::checked).collect(),
});

/// The ten voices under research.
#[must_use]
pub fn voices() -> &'static [Voice] {
    &CATALOGUE.voices
}

/// The 63 battles, each named "A vs B".
#[must_use]
pub fn battles() -> &'static [Battle] {
    &CATALOGUE.battles
}

/// The names under `heading`, up to the next empty line.
fn section(heading: &'static str) -> impl Iterator<Item = &'static str> {
    TEXT.lines()
        .skip_while(move |line| *line != heading)
        .skip(1)
        .take_while(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ten_different_voices() {
        let names: BTreeSet<_> = voices().iter().map(Voice::as_str).collect();
        assert_eq!((voices().len(), names.len()), (10, 10));
        assert_eq!(voices()[0].as_str(), "Darth Vader");
        assert_eq!(voices()[9].as_str(), "Joan of Arc");
        for voice in voices() {
            assert_eq!(&Voice::parse(voice.as_str()).unwrap(), voice);
        }
    }

    #[test]
    fn sixty_three_battles_of_two_sides() {
        let mut pairs = BTreeSet::new();
        for battle in battles() {
            assert_eq!(&Battle::parse(battle.as_str()).unwrap(), battle);
            let sides: Vec<_> = battle.as_str().split(" vs ").collect();
            let [one, other] = sides[..] else { panic!("{battle} is not \"A vs B\"") };
            assert_ne!(one, other);
            // The same pair the other way round is the same battle.
            assert!(pairs.insert((one.min(other), one.max(other))), "{battle} is there twice");
        }
        assert_eq!(pairs.len(), 63);
    }

    #[test]
    fn every_line_belongs_to_a_section() {
        let other = TEXT.lines().filter(|line| line.is_empty() || line.starts_with('[')).count();
        assert_eq!(TEXT.lines().count(), other + voices().len() + battles().len());
        assert_eq!(other, 3, "two headings and the empty line between");
    }
}
