  (import "wasi:filesystem/types@0.2.0" (instance $fs
    (alias outer 1 $output-stream (type $o)) (export "output-stream" (type $o' (eq $o)))
    (export "descriptor" (type $d (sub resource)))
    (type $path-flags' (flags "symlink-follow")) (export "path-flags" (type $path-flags (eq $path-flags')))
    (type $open-flags' (flags "create" "directory" "exclusive" "truncate"))
    (export "open-flags" (type $open-flags (eq $open-flags')))
    (type $descriptor-flags' (flags
      "read" "write" "file-integrity-sync" "data-integrity-sync" "requested-write-sync" "mutate-directory"))
    (export "descriptor-flags" (type $descriptor-flags (eq $descriptor-flags')))
    (type $error-code' (enum
      "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist" "file-too-large"
      "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io" "is-directory" "loop" "too-many-links"
      "message-size" "name-too-long" "no-device" "no-entry" "no-lock" "insufficient-memory" "insufficient-space"
      "not-directory" "not-empty" "not-recoverable" "unsupported" "no-tty" "no-such-device" "overflow" "not-permitted"
      "pipe" "read-only" "invalid-seek" "text-file-busy" "cross-device"))
    (export "error-code" (type $error-code (eq $error-code')))
    (export "[method]descriptor.open-at" (func
      (param "self" (borrow $d)) (param "path-flags" $path-flags) (param "path" string) (param "open-flags" $open-flags)
      (param "flags" $descriptor-flags) (result (result (own $d) (error $error-code)))))
    (export "[method]descriptor.read" (func
      (param "self" (borrow $d)) (param "length" u64) (param "offset" u64)
      (result (result (tuple (list u8) bool) (error $error-code)))))
    (export "[method]descriptor.write" (func
      (param "self" (borrow $d)) (param "buffer" (list u8)) (param "offset" u64)
      (result (result u64 (error $error-code)))))
    (export "[method]descriptor.set-size" (func
      (param "self" (borrow $d)) (param "size" u64) (result (result (error $error-code)))))
    (export "[method]descriptor.write-via-stream" (func
      (param "self" (borrow $d)) (param "offset" u64) (result (result (own $o') (error $error-code)))))
    (export "[method]descriptor.append-via-stream" (func
      (param "self" (borrow $d)) (result (result (own $o') (error $error-code)))))
    (export "[method]descriptor.create-directory-at" (func
      (param "self" (borrow $d)) (param "path" string) (result (result (error $error-code)))))
    (export "[method]descriptor.unlink-file-at" (func
      (param "self" (borrow $d)) (param "path" string) (result (result (error $error-code)))))
    (export "[method]descriptor.symlink-at" (func
      (param "self" (borrow $d)) (param "old-path" string) (param "new-path" string)
      (result (result (error $error-code)))))
    (export "[method]descriptor.link-at" (func
      (param "self" (borrow $d)) (param "old-path-flags" $path-flags) (param "old-path" string)
      (param "new-descriptor" (borrow $d)) (param "new-path" string) (result (result (error $error-code)))))
    (export "[method]descriptor.rename-at" (func
      (param "self" (borrow $d)) (param "old-path" string) (param "new-descriptor" (borrow $d)) (param "new-path" string)
      (result (result (error $error-code)))))))
  (alias export $fs "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $d)) (export "descriptor" (type $d' (eq $d)))
    (export "get-directories" (func (result (list (tuple (own $d') string)))))))
