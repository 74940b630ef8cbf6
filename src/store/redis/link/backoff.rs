//! Randomized pauses between attempts.

use std::time::Duration;

use rand::TryRng as _;

/// Shortens a pause to between half and all of it, so that many processes do not reconnect at the same instant.
pub(crate) fn with_jitter(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + f64::from(random()) / f64::from(u32::MAX) / 2.0)
}

/// A random number, or the largest one if the system has no randomness.
pub(crate) fn random() -> u32 {
    rand::rngs::SysRng.try_next_u32().unwrap_or(u32::MAX)
}
