package framework

// Execute is Main without its exit.
var Execute = execute
