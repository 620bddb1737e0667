// Whether the directory of the socket is in trusted hands: only those who may write to it can put another
// socket in place of ours, now or when a later tcpeek runs.
//
// The rule: it belongs to root, to the running user or to the user tcpeek, which the service runs as. Its
// group may write to it only if that is root's or tcpeek's; others may not, whether it is sticky or not.
//
// Thread contract: untrusted_reason() is pure. trusted_owners() asks the user database: at the start.
// Errors: none; a user tcpeek that cannot be looked up is not trusted.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace tcpeek::ipc {

struct TrustedOwners {
  std::vector<uid_t> users;
  std::vector<gid_t> groups;
};

// Root, the effective user, and user and group tcpeek where they exist.
[[nodiscard]] TrustedOwners trusted_owners();

// Why a directory with this owner and mode is not trusted, as the end of a sentence with what to do about
// it; nothing if it is trusted.
[[nodiscard]] std::optional<std::string> untrusted_reason(const std::string& directory, uid_t owner,
                                                          gid_t group, mode_t mode,
                                                          const TrustedOwners& trusted);

}  // namespace tcpeek::ipc
