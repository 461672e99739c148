//! Read models of hand-made and of random journals.

#[cfg(test)]
mod book;
#[cfg(test)]
mod feed;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod stock;
#[cfg(test)]
mod stops;
