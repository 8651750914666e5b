// Package guide holds the guide. Its tests compile the programs in it, load its configurations, follow its links and type its transcripts.
package guide
