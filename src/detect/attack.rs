//! The MITRE ATT&CK techniques that findings point to, each written down once.

use serde::Serialize;

/// A technique of the MITRE ATT&CK matrix for enterprises (attack.mitre.org, version 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Technique {
    /// Its id: `T1552.007`.
    pub id: &'static str,
    /// Its name, a sub-technique's with that of its technique: `Unsecured Credentials: Container API`.
    pub name: &'static str,
    /// The tactic that it serves here.
    pub tactic: &'static str,
}

macro_rules! techniques {
    ($($constant:ident = $id:literal $name:literal $tactic:literal;)+) => {
        $(pub(super) const $constant: Technique = Technique { id: $id, name: $name, tactic: $tactic };)+
    };
}

techniques! {
    ACCESS_TOKEN_STOLEN = "T1528" "Steal Application Access Token" "Credential Access";
    ACCESS_TOKEN_USED = "T1550.001" "Use Alternate Authentication Material: Application Access Token" "Lateral Movement";
    BRUTE_FORCE = "T1110" "Brute Force" "Credential Access";
    CERTIFICATES = "T1649" "Steal or Forge Authentication Certificates" "Credential Access";
    CLUSTER_ROLES = "T1098.006" "Account Manipulation: Additional Container Cluster Roles" "Persistence";
    CONTAINER_API = "T1552.007" "Unsecured Credentials: Container API" "Credential Access";
    CONTAINER_DISCOVERY = "T1613" "Container and Resource Discovery" "Discovery";
    CONTAINER_COMMAND = "T1609" "Container Administration Command" "Execution";
    CREDENTIALS_ADDED = "T1098.001" "Account Manipulation: Additional Cloud Credentials" "Persistence";
    DEFAULT_ACCOUNTS = "T1078.001" "Valid Accounts: Default Accounts" "Defense Evasion";
    DENIAL_OF_SERVICE = "T1499" "Endpoint Denial of Service" "Impact";
    DEPLOY_CONTAINER = "T1610" "Deploy Container" "Execution";
    ESCAPE_TO_HOST = "T1611" "Escape to Host" "Privilege Escalation";
    EVENT_TRIGGERED = "T1546" "Event Triggered Execution" "Persistence";
    LOGS_DISABLED = "T1562.008" "Impair Defenses: Disable or Modify Cloud Logs" "Defense Evasion";
    INDICATOR_REMOVAL = "T1070" "Indicator Removal" "Defense Evasion";
    MASQUERADING = "T1036" "Masquerading" "Defense Evasion";
    PERMISSION_GROUPS = "T1069" "Permission Groups Discovery" "Discovery";
    PUBLIC_APPLICATION = "T1190" "Exploit Public-Facing Application" "Initial Access";
    TEMPORARY_ELEVATION = "T1548.005" "Abuse Elevation Control Mechanism: Temporary Elevated Cloud Access" "Privilege Escalation";
    VALID_ACCOUNTS = "T1078" "Valid Accounts" "Defense Evasion";
}
