//! Roles in a team, and the one table of what each may do.
//!
//! Invariant: a right that is not granted here is not granted. Pure.

use serde::Serialize;

/// What a person is in a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, and makes other owners.
    Owner,
    /// Everything but owners.
    Admin,
    /// Own keys.
    Member,
    /// Looks on.
    Viewer,
}

/// What somebody may do in a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// See keys, usage, members and settings.
    Read,
    /// Make and manage keys of one's own.
    ManageOwnKeys,
    /// Make and manage everybody's keys, and their caps.
    ManageKeys,
    /// Change the team's settings and caps, and its members' roles and caps; invite and remove.
    ManageTeam,
    /// Add, change and remove the team's own upstream accounts.
    ManageAccounts,
    /// Read the team's audit log.
    ReadAudit,
    /// Make and unmake owners.
    ManageOwners,
}

impl Role {
    /// Its name in the database, in forms and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }

    /// The role called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Owner, Self::Admin, Self::Member, Self::Viewer]
            .into_iter()
            .find(|role| role.name() == name)
    }

    /// Whether it includes `right`.
    #[must_use]
    pub const fn has(self, right: Right) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => !matches!(right, Right::ManageOwners),
            Self::Member => matches!(right, Right::Read | Right::ManageOwnKeys),
            Self::Viewer => matches!(right, Right::Read),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_the_table_says() {
        use Right::{ManageAccounts, ManageKeys, ManageOwnKeys, ManageOwners, ManageTeam, Read, ReadAudit};
        let rights = [
            Read,
            ManageOwnKeys,
            ManageKeys,
            ManageTeam,
            ManageAccounts,
            ReadAudit,
            ManageOwners,
        ];
        for (role, count) in [(Role::Owner, 7), (Role::Admin, 6), (Role::Member, 2), (Role::Viewer, 1)] {
            let granted: Vec<bool> = rights.iter().map(|right| role.has(*right)).collect();
            let expected: Vec<bool> = (0..rights.len()).map(|position| position < count).collect();
            assert_eq!(granted, expected, "{role:?}");
            assert_eq!(Role::parse(role.name()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
    }
}
