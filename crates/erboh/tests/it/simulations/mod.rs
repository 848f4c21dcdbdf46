//! Simulated researchers: what is ordered is sent, what is sent is accounted for, and what is
//! acknowledged is what the board counts.

mod api;
mod books;
mod live;
mod page;
mod pod;
mod stage;
