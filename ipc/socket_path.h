// The place in the file system where tcpeek listens: made, defended and removed here.
//
// How it works: a lock file `<path>.lock` under flock() says whose the place is, so of two tcpeeks
// started together one wins. Whoever has the lock asks the socket found there by connecting to it:
// one that answers is never taken, whether its owner knows of locks or not; one that refuses has
// lost its owner and is replaced. Anything that is not a socket stays, and is reported.
//
// The socket's mode is 0660 from its first moment, the lock's 0600.
//
// Thread contract: a plain value with one owner. listen() changes the process's umask for a moment.
// Invariants: socket, lock and a directory made for them are removed on destruction, each only if
// the name still leads to our own file, and only by the process that made them. A start that fails
// leaves nothing of its own behind.
// Errors: ListenError, whose what() is one sentence for the user.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <system_error>

#include "ipc/unique_fd.h"

namespace tcpeek::ipc {

// what() is the sentence alone; code() is the system's reason.
class ListenError : public std::system_error {
 public:
  ListenError(int error_number, std::string sentence);
  [[nodiscard]] const char* what() const noexcept override { return sentence_->c_str(); }

 private:
  std::shared_ptr<const std::string> sentence_;  // shared: copying an exception must not throw
};

class SocketPath {
 public:
  // Whether a missing directory is made (one level, 0755): right for the default place, but a
  // mistyped path should be reported.
  enum class Parent { must_exist, make };

  // Takes the place and listens there.
  [[nodiscard]] static SocketPath listen(std::string path, Parent parent);

  ~SocketPath();
  SocketPath(SocketPath&&) = default;
  SocketPath& operator=(SocketPath&&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  // The listening, non-blocking socket, handed over once.
  [[nodiscard]] UniqueFd take_listener() noexcept { return std::move(listener_); }

  // Gives socket, lock and the directory, if made here, to the user tcpeek is about to become, so
  // that it can still remove them. (In a directory of another user's it cannot: the next start
  // does.)
  void give_to(uid_t user, gid_t group);

 private:
  explicit SocketPath(std::string path);

  void take_lock(Parent parent);
  [[nodiscard]] UniqueFd open_lock(Parent parent, bool& made);
  [[noreturn]] void give_up(bool made, int error_number, const std::string& action) const;
  void make_directory();
  void clear_place() const;
  void bind_and_listen();
  [[noreturn]] void fail(int error_number, const std::string& reason) const;
  [[noreturn]] void fail_in(int error_number, const std::string& action) const;

  std::string path_;
  std::string lock_path_;
  std::string made_directory_;  // empty: it was there
  pid_t creator_;
  UniqueFd lock_;  // held: the flock is ours
  UniqueFd node_;  // the socket's file (O_PATH); while open, its inode number is not used again
  UniqueFd listener_;
};

}  // namespace tcpeek::ipc
