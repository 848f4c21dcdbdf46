//! The table must agree with kafka-protocol: a shape that walks other bytes than the decoder would
//! let a hostile count through, or refuse an honest request.

use super::{APIS, Api, decodable, decode_left, default_body};
use crate::wire::sample::{self, Random};

fn each_version(check: impl Fn(&Api, i16)) {
    for api in APIS {
        for version in api.first..=api.last {
            check(api, version);
        }
    }
}

#[test]
fn every_api_stands_in_the_table_once() {
    let mut keys: Vec<_> = APIS.iter().map(|api| api.key).collect();
    keys.sort_unstable();
    assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
}

#[test]
fn no_version_is_advertised_that_cannot_be_decoded() {
    for api in APIS {
        let range = decodable(api.key);
        assert!(range.min <= api.first && api.last <= range.max, "{}: {range}", api.name);
    }
}

#[test]
fn shapes_take_all_of_what_is_encoded() {
    each_version(|api, version| {
        let body = default_body(api.key, version);
        let taken = api.shape.check(&body, version);
        assert_eq!(taken, Ok(body.len()), "{} version {version}: {body:?}", api.name);
    });
}

#[test]
fn the_decoder_takes_all_of_what_follows_a_shape() {
    let mut filled = 0;
    each_version(|api, version| {
        for seed in 0..100 {
            let body = sample::body(api.shape, version, &mut Random::new(seed));
            let at = format!("{} version {version} seed {seed}: {body:?}", api.name);
            assert_eq!(api.shape.check(&body, version), Ok(body.len()), "{at}");
            assert_eq!(decode_left(api.key, version, body.into()), Ok(0), "{at}");
        }
    });
    // The samples would prove nothing if they were all empty.
    for seed in 0..100 {
        let produce = APIS.iter().find(|api| api.key == 0).unwrap();
        filled += sample::body(produce.shape, 9, &mut Random::new(seed)).len();
    }
    assert!(filled > 100 * 20, "{filled}");
}
