//! Simulated channels, shoppers and locations. They speak the real wire formats, so that connectors are tried against
//! what they will meet: deliveries that come twice, late, out of order or never; calls that are refused, throttled, or
//! answered too late; lists that show an order minutes after it was placed.
//!
//! Everything that happens by chance comes from a seed ([`Dice`]); everything that takes time runs on the one `Clock`.

pub mod amazon;
mod dice;
pub mod lab;
pub mod seeded;
pub mod shopify;
pub mod world;

pub use dice::Dice;
