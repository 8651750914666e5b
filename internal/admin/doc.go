// Package admin looks at a cluster and works on it for operators: it compares topics with those that a program wants and makes them so,
// tells the lag of groups, and lists and replays dead letters. Nothing of it runs while a program consumes.
package admin
