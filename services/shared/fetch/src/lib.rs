//! The one client for foreign URLs and folders: address policy, limits, conditional requests.
