;; Joins CPython to its host: one builtin function for what leaves, one exported function for what comes in.
(module
  (@custom "dylink.0" (before first) "\01\05\80\01\04\01\00") ;; 128 bytes of memory aligned to 16, one table slot
  (import "env" "memory" (memory 1))
  (import "env" "__indirect_function_table" (table 1 funcref))
  (import "env" "__memory_base" (global $memory i32))
  (import "env" "__table_base" (global $table i32))
  ;; The host: takes what the guest calls for and says how long the answer is; hands over the bytes that are
  ;; due, an answer or a request; takes the answer of a whole run.
  (import "oikos" "call" (func $host_call (param i32 i32) (result i32)))
  (import "oikos" "take" (func $host_take (param i32)))
  (import "oikos" "give" (func $host_give (param i32 i32)))
  (import "env" "PyBytes_AsString" (func $bytes_start (param i32) (result i32)))
  (import "env" "PyBytes_Size" (func $bytes_size (param i32) (result i32)))
  (import "env" "PyBytes_FromStringAndSize" (func $bytes_new (param i32 i32) (result i32)))
  (import "env" "PyCMethod_New" (func $method_new (param i32 i32 i32 i32) (result i32)))
  (import "env" "PyImport_AddModule" (func $module (param i32) (result i32)))
  (import "env" "PyObject_SetAttrString" (func $set (param i32 i32 i32) (result i32)))
  (import "env" "PyObject_GetAttrString" (func $get (param i32 i32) (result i32)))
  (import "env" "PyObject_CallOneArg" (func $call_one (param i32 i32) (result i32)))
  (import "env" "Py_DecRef" (func $release (param i32)))
  (import "env" "PyErr_Clear" (func $forget_error))
  (global $driver (mut i32) (i32.const 0))
  (elem (global.get $table) func $call)

  ;; The builtin `_oikos_call(bytes) -> bytes`.
  (func $call (param $self i32) (param $asked i32) (result i32)
    (local $start i32) (local $answer i32)
    (local.set $start (call $bytes_start (local.get $asked)))
    (if (i32.eqz (local.get $start)) (then (return (i32.const 0))))
    (local.set $answer
      (call $bytes_new (i32.const 0) (call $host_call (local.get $start) (call $bytes_size (local.get $asked)))))
    (if (i32.eqz (local.get $answer)) (then (return (i32.const 0))))
    (call $host_take (call $bytes_start (local.get $answer)))
    (local.get $answer))

  ;; At the memory base: the method's definition (16 bytes, filled in at the start), then names.
  (data (global.get $memory)
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
    "_oikos_call\00\00\00\00\00"
    "builtins\00\00\00\00\00\00\00\00"
    "_oikos_driver\00\00\00")

  ;; Sets the builtin, before the boot script runs.
  (func (export "oikos_install") (local $function i32)
    (i32.store (global.get $memory) (i32.add (global.get $memory) (i32.const 16)))
    (i32.store offset=4 (global.get $memory) (global.get $table))
    (i32.store offset=8 (global.get $memory) (i32.const 8)) ;; METH_O
    (local.set $function (call $method_new (global.get $memory) (i32.const 0) (i32.const 0) (i32.const 0)))
    (drop (call $set
      (call $module (i32.add (global.get $memory) (i32.const 32)))
      (i32.add (global.get $memory) (i32.const 16))
      (local.get $function))))

  ;; Finds the driver, after the boot script has set `builtins._oikos_driver`. Zero says that it has not.
  (func (export "oikos_ready") (result i32)
    (global.set $driver (call $get
      (call $module (i32.add (global.get $memory) (i32.const 32)))
      (i32.add (global.get $memory) (i32.const 48))))
    (i32.ne (global.get $driver) (i32.const 0)))

  ;; Runs the driver on a request of so many bytes, and gives its answer. Zero says that there is none.
  (func (export "oikos_run") (param $length i32) (result i32)
    (local $request i32) (local $answer i32)
    (local.set $request (call $bytes_new (i32.const 0) (local.get $length)))
    (if (i32.eqz (local.get $request)) (then (call $forget_error) (return (i32.const 0))))
    (call $host_take (call $bytes_start (local.get $request)))
    (local.set $answer (call $call_one (global.get $driver) (local.get $request)))
    (call $release (local.get $request))
    (if (i32.eqz (local.get $answer)) (then (call $forget_error) (return (i32.const 0))))
    (call $host_give (call $bytes_start (local.get $answer)) (call $bytes_size (local.get $answer)))
    (call $release (local.get $answer))
    (i32.const 1))
)
