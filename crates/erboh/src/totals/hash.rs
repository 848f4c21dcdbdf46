//! XXH64, the 64-bit hash that the fold uses for fingerprints and ids.
//!
//! It is written out here because it is part of the fold: the same bytes must give the same number for ever, and whoever
//! checks a snapshot needs a hash that every language has. It is no protection against somebody who looks for
//! collisions; nothing here relies on that.
//!
//! ```text
//! 32 bytes at a time ─► 4 accumulators ─► merged ─► + length ─► 8, 4, 1 byte at a time ─► avalanche
//! ```

const PRIME1: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME3: u64 = 0x1656_67b1_9e37_79f9;
const PRIME4: u64 = 0x85eb_ca77_c2b2_ae63;
const PRIME5: u64 = 0x27d4_eb2f_1656_67c5;

/// The XXH64 of `bytes` with `seed`.
pub(super) fn xxh64(bytes: &[u8], seed: u64) -> u64 {
    let (stripes, rest) = bytes.as_chunks::<32>();
    let mut hash = if stripes.is_empty() { seed.wrapping_add(PRIME5) } else { long(stripes, seed) };
    hash = hash.wrapping_add(bytes.len() as u64);
    let (words, rest) = rest.as_chunks::<8>();
    for word in words {
        hash ^= round(0, u64::from_le_bytes(*word));
        hash = hash.rotate_left(27).wrapping_mul(PRIME1).wrapping_add(PRIME4);
    }
    let (halves, rest) = rest.as_chunks::<4>();
    for half in halves {
        hash ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(PRIME1);
        hash = hash.rotate_left(23).wrapping_mul(PRIME2).wrapping_add(PRIME3);
    }
    for byte in rest {
        hash ^= u64::from(*byte).wrapping_mul(PRIME5);
        hash = hash.rotate_left(11).wrapping_mul(PRIME1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(PRIME2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIME3);
    hash ^ (hash >> 32)
}

/// The four accumulators over whole stripes, merged.
fn long(stripes: &[[u8; 32]], seed: u64) -> u64 {
    let mut lanes = [
        seed.wrapping_add(PRIME1).wrapping_add(PRIME2),
        seed.wrapping_add(PRIME2),
        seed,
        seed.wrapping_sub(PRIME1),
    ];
    for stripe in stripes {
        for (lane, word) in lanes.iter_mut().zip(stripe.as_chunks::<8>().0) {
            *lane = round(*lane, u64::from_le_bytes(*word));
        }
    }
    let [a, b, c, d] = lanes;
    let merged = a
        .rotate_left(1)
        .wrapping_add(b.rotate_left(7))
        .wrapping_add(c.rotate_left(12))
        .wrapping_add(d.rotate_left(18));
    lanes.iter().fold(merged, |hash, lane| {
        (hash ^ round(0, *lane)).wrapping_mul(PRIME1).wrapping_add(PRIME4)
    })
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIME2)).rotate_left(31).wrapping_mul(PRIME1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values() {
        for (text, seed, hash) in [
            ("", 0, 0xef46_db37_51d8_e999),
            ("a", 0, 0xd24e_c4f1_a98c_6e5b),
            ("abc", 0, 0x44bc_2cf5_ad77_0999),
            ("xxhash", 0, 0x32dd_3895_2c4b_c720),
            ("xxhash", 20_141_025, 0xb559_b98d_844e_0635),
        ] {
            assert_eq!(xxh64(text.as_bytes(), seed), hash, "{text}");
        }
    }

    /// Long enough for the accumulators and every kind of rest; the value comes from an implementation in another
    /// language that agrees with the checksums of zstd.
    #[test]
    fn more_than_one_stripe() {
        let bytes: Vec<u8> = (0..100).chain(0..7).collect();
        assert_eq!(xxh64(&bytes, 7), 0x0702_d640_61e3_aa31);
    }
}
