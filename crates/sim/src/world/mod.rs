//! People and places around a server: shoppers who buy what a shop shows, a till that asks first, and warehouses that
//! send. They reach the server by its public HTTP only, and each keeps books of its own, which know nothing of the
//! server's.

mod book;
mod door;
mod fronts;
mod shoppers;
#[cfg(test)]
mod tests;
mod till;
mod warehouse;

pub use book::{Book, Line, Mishap, Missing, Parcel};
pub use door::{Answer, Door};
pub use fronts::{MarketFront, ShopFront};
pub use shoppers::{Counter, Habits, Visits, visit};
pub use till::{Asked, Sale, Till};
pub use warehouse::{Manner, Open, Warehouse, WorkPace};
